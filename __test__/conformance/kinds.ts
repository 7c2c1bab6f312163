// Every kind of descriptor at either end of a transfer, and the result by api.md for the answer of Linux 6.18.
import { mkdirSync } from 'node:fs'

import { canForce, IN_KERNEL } from '../fixtures/executor.ts'
import type { Attempt, Settings } from '../fixtures/launched.ts'
import { sampleDirectory, writeSample } from '../fixtures/sample-file.ts'

export const TEN = '0123456789'
export const METHODS = ['auto', 'sendfile', 'copy_file_range', 'splice', 'copy'] as const
export const source = `${writeSample(Buffer.from(TEN))}|r`
const folder = `${sampleDirectory()}/kinds`
mkdirSync(folder)
/** On a tmpfs, regardless of the directory of the samples. */
export const elsewhere = `/dev/shm/sendfile64-${process.pid}`

const inherited: Settings = [
  ['memfd=100', 'eventfd=101', 'epoll=102', 'path=103', 'stream=110,111', 'stream=112,113', 'datagram=114,115'],
  [
    'seqpacket=116,117',
    'udp=118',
    'tcp=119',
    'pipe=120,121',
    'terminal=122,123',
    'terminal=124,125',
    'memfd=126',
    'pipe=130,131',
  ],
]
  .flat()
  .flatMap((each) => ['--open', each])
export const settings: Settings = [...inherited, '--nonblocking', '110', '--nonblocking', '122']

/* ---------------------------------------------------------------- destinations */

const refused = (errno: string): string => `ERR_SENDFILE_UNSUPPORTED (${errno})`
const all = (outcome: string): readonly string[] => METHODS.map(() => outcome)
const NO_DESTINATION = all('ERR_SENDFILE_DESTINATION')
const FULL = ['ENOSPC', ...METHODS.slice(1, 4).map(() => refused('EINVAL')), 'ENOSPC']
const BLOCKING = METHODS.slice(1, 4).map(() => refused('EAGAIN'))
const THROUGH = ['sendfile', 'sendfile', refused('EINVAL'), 'splice', 'copy']
const OTHER_FILESYSTEM = ['copy_file_range EXDEV, sendfile', 'sendfile', refused('EXDEV'), 'splice', 'copy']
const APPENDS = [
  'copy_file_range EBADF, sendfile EINVAL, copy',
  refused('EINVAL'),
  refused('EBADF'),
  refused('EINVAL'),
  'copy',
]

/**
 * Not possible in JavaScript alone: forcing another method, writing to a socket by its number, writing to a master
 * without blocking.
 */
const NOT_BY_JAVASCRIPT = 'ERR_SENDFILE_UNSUPPORTED'

export interface DestinationRow {
  readonly kind: string
  readonly end: Attempt['out']
  readonly readFrom?: number
  /** One for each of METHODS. */
  readonly outcomes: readonly string[]
  /** The result without the addon, unless it is copied then. */
  readonly portable?: string
}

/** The expected result of the method with this binding. */
export function outcomeTo({ outcomes, portable }: DestinationRow, method: (typeof METHODS)[number]): string {
  const outcome = outcomes[METHODS.indexOf(method)] ?? ''
  if (IN_KERNEL) return outcome
  if (outcomes === NO_DESTINATION) return portable ?? outcome
  if (!canForce(method) && portable !== NOT_OPEN) return NOT_BY_JAVASCRIPT
  if (portable !== undefined) return portable
  return method === 'copy' ? 'copy' : `${outcomes[0]?.split(/[ ,]/)[0]} PLATFORM, copy`
}

const NOT_OPEN = 'EBADF (EBADF)'

// The kernel accepts datagram sockets; api.md does not, because one file would become packets of any size. splice(2)
// between two files fails with EINVAL; if forced, it uses a pipe.
export const destinations: readonly DestinationRow[] = [
  { kind: 'unix stream socket', end: 110, readFrom: 111, outcomes: THROUGH, portable: NOT_BY_JAVASCRIPT },
  {
    kind: 'unix stream socket in blocking mode',
    end: 112,
    readFrom: 113,
    outcomes: ['sendfile EAGAIN, copy', ...BLOCKING, 'copy'],
    portable: NOT_BY_JAVASCRIPT,
  },
  {
    kind: 'TCP socket that is not connected',
    end: 119,
    outcomes: ['EPIPE', ...BLOCKING, 'EPIPE'],
    portable: NOT_BY_JAVASCRIPT,
  },
  { kind: 'unix datagram socket', end: 114, outcomes: NO_DESTINATION, portable: NOT_BY_JAVASCRIPT },
  { kind: 'unix seqpacket socket', end: 116, outcomes: NO_DESTINATION, portable: NOT_BY_JAVASCRIPT },
  { kind: 'UDP socket', end: 118, outcomes: NO_DESTINATION, portable: NOT_BY_JAVASCRIPT },
  { kind: 'pipe', end: 121, readFrom: 120, outcomes: THROUGH },
  {
    kind: 'file',
    end: `${folder}/file|w`,
    outcomes: ['copy_file_range', 'sendfile', 'copy_file_range', 'splice', 'copy'],
  },
  { kind: 'file that appends', end: `${folder}/appended|a`, outcomes: APPENDS },
  { kind: 'file on tmpfs', end: `${elsewhere}|w`, outcomes: OTHER_FILESYSTEM },
  { kind: 'memfd', end: 100, outcomes: OTHER_FILESYSTEM },
  { kind: '/dev/null', end: '/dev/null|w', outcomes: THROUGH },
  { kind: '/dev/full', end: '/dev/full|w', outcomes: FULL, portable: 'ENOSPC (ENOSPC)' },
  { kind: 'pty master', end: 122, readFrom: 123, outcomes: THROUGH, portable: NOT_BY_JAVASCRIPT },
  { kind: 'pty slave', end: 123, readFrom: 122, outcomes: THROUGH },
  // It cannot be reopened, and writes to it cannot be nonblocking.
  { kind: 'pty master in blocking mode', end: 124, outcomes: all(refused('EAGAIN')), portable: NOT_BY_JAVASCRIPT },
  { kind: 'eventfd', end: 101, outcomes: NO_DESTINATION },
  { kind: 'epoll descriptor', end: 102, outcomes: NO_DESTINATION },
  { kind: 'O_PATH descriptor', end: 103, outcomes: NO_DESTINATION },
  { kind: 'file that is open for reading', end: source, outcomes: NO_DESTINATION },
  { kind: 'directory', end: `${folder}|r`, outcomes: NO_DESTINATION },
  { kind: 'number that is not open', end: 999, outcomes: all('EBADF'), portable: NOT_OPEN },
]

/* ---------------------------------------------------------------- sources */

export interface SourceRow {
  readonly kind: string
  readonly end: Attempt['source']
  readonly options?: Attempt['options']
  readonly feed?: Attempt['feed']
  readonly text?: string | RegExp
  /** The result to a pipe; and to a socket by its number, if different. */
  readonly outcome: string
  readonly toSocket?: string
}

/** The expected result of the source with this binding. */
export function outcomeFrom({ outcome, toSocket = outcome }: SourceRow, to: 'pipe' | 'socket'): string {
  if (IN_KERNEL) return to === 'pipe' ? outcome : toSocket
  if (to === 'socket') return REFUSED_FIRST.has(outcome) ? outcome : NOT_BY_JAVASCRIPT
  if (outcome === 'EBADF') return NOT_OPEN
  return outcome.startsWith('sendfile') && outcome !== JAVASCRIPT ? 'sendfile PLATFORM, copy' : outcome
}

/** Checked before the destination. */
const REFUSED_FIRST = new Set(['ERR_INVALID_ARG_VALUE', 'EISDIR', NOT_OPEN])

const NO_SOURCE = 'ERR_SENDFILE_UNSUPPORTED'
const JAVASCRIPT = 'sendfile FILESYSTEM, copy'

// A socket as source is ERR_SENDFILE_UNSUPPORTED: only files, devices, pipes and terminals are read. JavaScript cannot
// write to a socket by its number.
export const sources: readonly SourceRow[] = [
  { kind: 'file', end: source, text: TEN, outcome: 'sendfile' },
  { kind: 'file on tmpfs', end: `${elsewhere}-source|r`, text: TEN, outcome: 'sendfile' },
  { kind: 'empty memfd', end: 126, outcome: 'sendfile' },
  { kind: '/proc/version', end: '/proc/version|r', text: /^Linux version .+\n$/, outcome: 'sendfile' },
  {
    kind: '/proc/self/status',
    end: '/proc/self/status|r',
    text: /^Name:\t.*_switches:\t\d+\n$/s,
    outcome: 'sendfile EINVAL, copy',
  },
  {
    kind: '/proc/self/limits',
    end: '/proc/self/limits|r',
    text: /^Limit .*us *\n$/s,
    outcome: 'sendfile EINVAL, copy',
  },
  {
    kind: 'file of /sys',
    end: '/sys/kernel/mm/transparent_hugepage/enabled|r',
    text: /^[a-z[\] ]+\n$/,
    outcome: 'sendfile',
  },
  { kind: '/dev/zero', end: '/dev/zero|r', options: { count: 10 }, text: '\0'.repeat(10), outcome: 'sendfile' },
  { kind: '/dev/urandom', end: '/dev/urandom|r', options: { count: 10 }, text: /^.{10}$/s, outcome: 'sendfile' },
  { kind: '/dev/zero without count', end: '/dev/zero|r', outcome: 'ERR_INVALID_ARG_VALUE' },
  {
    kind: '/dev/null, which ends at once',
    end: '/dev/null|r',
    options: { count: 3 },
    outcome: 'ERR_SENDFILE_TRUNCATED',
  },
  { kind: 'directory', end: `${folder}|r`, outcome: 'EISDIR' },
  { kind: 'O_PATH descriptor', end: 103, outcome: 'EBADF' },
  { kind: 'file that is open for writing', end: `${folder}/file|a`, outcome: 'EBADF' },
  { kind: 'eventfd', end: 101, options: { count: 8 }, outcome: NO_SOURCE },
  { kind: 'epoll descriptor', end: 102, options: { count: 8 }, outcome: NO_SOURCE },
  { kind: 'unix stream socket', end: 113, options: { count: 1 }, outcome: NO_SOURCE },
  { kind: 'unix datagram socket', end: 115, options: { count: 1 }, outcome: NO_SOURCE },
  { kind: 'number that is not open', end: 999, outcome: 'EBADF (EBADF)' },
  {
    kind: 'pty slave',
    end: 123,
    options: { count: 3 },
    feed: { fd: 122, text: 'fed' },
    text: 'fed',
    outcome: JAVASCRIPT,
    toSocket: NO_SOURCE,
  },
  // Reopening it would create another terminal.
  { kind: 'pty master', end: 122, options: { count: 3 }, outcome: NO_SOURCE },
  {
    kind: 'pipe from null',
    end: 130,
    options: { count: 3, offset: null },
    feed: { fd: 131, text: 'fed' },
    text: 'fed',
    outcome: JAVASCRIPT,
    toSocket: NO_SOURCE,
  },
  {
    // left there by the refusal above
    kind: 'pipe that has been refused',
    end: 130,
    options: { count: 3 },
    text: 'fed',
    outcome: JAVASCRIPT,
    toSocket: NO_SOURCE,
  },
  { kind: 'pipe from an offset', end: 130, options: { count: 3, offset: 1 }, outcome: 'ERR_INVALID_ARG_VALUE' },
]
