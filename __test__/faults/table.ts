// Which call fails, when, and the expected result: one row for each test.
import { IN_KERNEL } from '../fixtures/executor.ts'
import type { SendfileOptions } from '../../index.ts'
import type { Destination } from './runner.ts'

export const QUANTUM = 64 * 1024
/** Four times as many quanta as the disk pool has threads: strace counts the calls of each thread separately. */
export const SIZE = 16 * QUANTUM + 4321

export type Call = 'sendfile' | 'splice' | 'copy_file_range' | 'pread64' | 'sendto' | 'write'

export interface Row {
  readonly destination: Destination
  readonly options: SendfileOptions
  /** The method to try first, by SENDFILE64. */
  readonly prefer?: string
  /** The injected failure: `inject=` of strace(1), by call. */
  readonly faults: Readonly<Partial<Record<Call, string>>>
  readonly expect: Expected
}

export interface Expected {
  /** `none`: every byte has arrived. */
  readonly code: string
  readonly syscall?: string
  readonly cause?: string
  readonly method?: string
  /** `from→to code`, in order. */
  readonly fallbacks?: readonly string[]
  /** 0, everything, or a maximum: pipes and threads that share the calls reduce it. */
  readonly atMost: number
}

/** `error` at the first or the third call of a thread, and from then on. */
const WHEN = [1, 3] as const
const from = (error: string, when: number): string => `error=${error}:when=${when}+`

const SOCKETS: readonly Destination[] = ['TCP socket', 'response with Content-Length', 'chunked response']
const STREAMS: readonly Destination[] = [...SOCKETS, 'FIFO']
const ALL: readonly Destination[] = [...STREAMS, 'file']

/** The JavaScript thread sends the first quantum if it is short enough; a longer one is sent by a shard. */
const QUANTA = [QUANTUM, 2 * QUANTUM] as const

export const rows: readonly Row[] = [
  ...refusedSendfile(),
  ...refusedCopyFileRange(),
  ...refusedSplice(),
  ...failures(),
  ...interruptions(),
  ...nothingMore(),
]

function refusedSendfile(): Row[] {
  const expect = { code: 'none', method: 'copy', atMost: SIZE }
  const byCopy = STREAMS.flatMap((destination) =>
    (destination === 'TCP socket' ? ['EINVAL', 'ENOSYS', 'EPERM'] : ['EINVAL', 'EPERM']).flatMap((error) =>
      WHEN.map((when) => ({
        destination,
        options: { quantum: when === 1 ? QUANTA[1] : QUANTA[0] },
        faults: { sendfile: from(error, when) },
        expect: { ...expect, fallbacks: [`sendfile→copy ${error}`] },
      })),
    ),
  )
  const forced = SOCKETS.flatMap((destination) =>
    WHEN.map((when) => ({
      destination,
      options: { quantum: QUANTUM, method: 'sendfile' as const },
      faults: { sendfile: from('EINVAL', when) },
      expect: { code: 'ERR_SENDFILE_UNSUPPORTED', cause: 'EINVAL', atMost: (when - 1) * QUANTUM },
    })),
  )
  // Only this one call: a refused method is not tried again.
  const once: Row = {
    destination: 'TCP socket',
    options: { quantum: QUANTA[1] },
    faults: { sendfile: 'error=EINVAL:when=3' },
    expect: { ...expect, fallbacks: ['sendfile→copy EINVAL'] },
  }
  return [...byCopy, ...forced, once]
}

function refusedCopyFileRange(): Row[] {
  const options = { quantum: QUANTUM }
  const destination = 'file'
  const bySendfile = ['EINVAL', 'ENOSYS', 'EPERM', 'EXDEV', 'EIO', 'EAGAIN'].flatMap((error) =>
    WHEN.map((when) => ({
      destination,
      options,
      faults: { copy_file_range: from(error, when) },
      expect: { code: 'none', atMost: SIZE, method: 'sendfile', fallbacks: [`copy_file_range→sendfile ${error}`] },
    })),
  ) satisfies Row[]
  const byCopy: Row = {
    destination,
    options,
    faults: { copy_file_range: from('EXDEV', 3), sendfile: from('EINVAL', 3) },
    expect: {
      code: 'none',
      atMost: SIZE,
      method: 'copy',
      fallbacks: ['copy_file_range→sendfile EXDEV', 'sendfile→copy EINVAL'],
    },
  }
  return [...bySendfile, byCopy]
}

/** To a socket it goes through a pipe: odd calls fill it, even ones drain it, and its bytes must not be lost. */
function refusedSplice(): Row[] {
  const options = { quantum: QUANTUM }
  const toSocket = ['EINVAL', 'EPERM'].flatMap((error) =>
    [1, 2, 3, 4].map((when) => ({
      destination: 'TCP socket',
      options,
      prefer: 'splice',
      faults: { splice: from(error, when) },
      expect: { code: 'none', atMost: SIZE, method: 'sendfile', fallbacks: [`splice→sendfile ${error}`] },
    })),
  ) satisfies Row[]
  const toPipe = WHEN.map((when) => ({
    destination: 'FIFO',
    options,
    prefer: 'splice',
    faults: { splice: from('EINVAL', when), sendfile: from('EINVAL', 3) },
    expect: {
      code: 'none',
      atMost: SIZE,
      method: 'copy',
      fallbacks: ['splice→sendfile EINVAL', 'sendfile→copy EINVAL'],
    },
  })) satisfies Row[]
  const forced = [2, 4].map((when) => ({
    destination: 'TCP socket',
    options: { ...options, method: 'splice' },
    faults: { splice: from('EINVAL', when) },
    expect: { code: 'ERR_SENDFILE_UNSUPPORTED', cause: 'EINVAL', atMost: (when / 2 - 1) * QUANTUM },
  })) satisfies Row[]
  return [...toSocket, ...toPipe, ...forced]
}

/** Calls before call `when` of a thread fails, for the four threads of the disk pool and of libuv. */
function mostBefore(destination: Destination, when: number): number {
  return (when - 1) * QUANTUM * (destination === 'file' || !IN_KERNEL ? 4 : 1)
}

/** No other method would succeed: the error, with the exact number of bytes sent before. */
function failures(): Row[] {
  const failing = (
    destination: Destination,
    method: 'sendfile' | 'copy',
    call: Call,
    error: string,
    when: number,
  ): Row => ({
    destination,
    options: { quantum: QUANTUM, method },
    faults: { [call]: from(error, when) },
    expect: {
      code: error,
      syscall: { pread64: 'read', sendto: 'write' }[String(call)] ?? call,
      atMost: mostBefore(destination, when),
    },
  })
  const errors = ['EIO', 'ENOMEM'] as const
  return WHEN.flatMap((when) => [
    ...ALL.flatMap((destination) => errors.map((error) => failing(destination, 'sendfile', 'sendfile', error, when))),
    ...STREAMS.map((destination) => failing(destination, 'copy', 'pread64', 'EIO', when)),
    ...['EIO', 'EINVAL', 'EAGAIN'].map((error) => failing('file', 'copy', 'pread64', error, when)),
    ...errors.map((error) => failing('TCP socket', 'copy', 'sendto', error, when)),
    failing('chunked response', 'copy', 'sendto', 'EIO', when),
    failing('FIFO', 'copy', 'write', 'EIO', when),
    ...['EIO', 'ENOSPC'].map((error) => failing('file', 'copy', 'write', error, when)),
    {
      destination: 'TCP socket',
      options: { quantum: QUANTUM, method: 'splice' },
      faults: { splice: from('EIO', 2 * when) }, // a drain
      expect: { code: 'EIO', syscall: 'splice', atMost: (when - 1) * QUANTUM },
    },
    {
      destination: 'file',
      options: { quantum: QUANTUM, method: 'copy_file_range' },
      faults: { copy_file_range: from('ENOMEM', when) },
      expect: { code: 'ENOMEM', syscall: 'copy_file_range', atMost: mostBefore('file', when) },
    },
  ])
}

/** Interrupted by a signal: the call is repeated without a fallback. */
function interruptions(): Row[] {
  const interrupted = (
    destination: Destination,
    method: Row['options']['method'] & string,
    calls: readonly Call[],
  ): Row => ({
    destination,
    options: { quantum: QUANTUM, method },
    faults: Object.fromEntries(calls.map((call) => [call, 'error=EINTR:when=1+2'])),
    expect: { code: 'none', method, fallbacks: [], atMost: SIZE },
  })
  return [
    ...ALL.map((destination) => interrupted(destination, 'sendfile', ['sendfile'])),
    ...SOCKETS.map((destination) => interrupted(destination, 'copy', ['sendto'])),
    interrupted('TCP socket', 'copy', ['pread64']),
    interrupted('FIFO', 'copy', ['pread64', 'write']),
    interrupted('file', 'copy', ['pread64', 'write']),
    interrupted('file', 'copy_file_range', ['copy_file_range']),
    interrupted('TCP socket', 'splice', ['splice']),
    interrupted('FIFO', 'splice', ['splice']),
  ]
}

/** A call that moves nothing and reports no error. */
function nothingMore(): Row[] {
  const nothing = (
    destination: Destination,
    method: 'sendfile' | 'copy',
    call: Call,
    when: number,
    code: string,
  ): Row => ({
    destination,
    options: { quantum: QUANTUM, method },
    faults: { [call]: `retval=0:when=${when}+` },
    expect: { code, atMost: mostBefore(destination, when) },
  })
  const truncated = (destination: Destination, when: number): Row =>
    nothing(destination, 'sendfile', 'sendfile', when, 'ERR_SENDFILE_TRUNCATED')
  const bySendfile = WHEN.flatMap((when) => ALL.map((destination) => truncated(destination, when)))
  const byCopy = WHEN.flatMap((when) => [
    nothing('chunked response', 'copy', 'pread64', when, 'ERR_SENDFILE_TRUNCATED'),
    nothing('FIFO', 'copy', 'pread64', when, 'ERR_SENDFILE_TRUNCATED'),
    nothing('FIFO', 'copy', 'write', when, 'EIO'),
    nothing('file', 'copy', 'write', when, 'EIO'),
  ])
  return [...bySendfile, ...byCopy]
}
