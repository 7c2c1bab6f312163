// Sandboxes: a seccomp filter fails every call, or only the last call of a transfer.
import test, { type ExecutionContext } from 'ava'

import type { SendfileOptions } from '../../index.ts'
import { kernelSerial } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { compilerIsThere, refusing } from './compiled.ts'
import { type Destination, place, TAIL, type Reported, transferTo } from './runner.ts'
import { QUANTUM } from './table.ts'

/** Only the last call requests so few bytes. */
const REST = 4321
const BEFORE = 2 * QUANTUM
const file = sampleFile(BEFORE + REST)
const declare = compilerIsThere ? kernelSerial : test.serial.skip

type Refusal = 'ENOSYS' | 'EPERM' | 'EINVAL' | 'EIO' | 'ENFILE' | 'EAGAIN'
type Row = readonly [Destination, SendfileOptions, string, Refusal, Partial<Reported>]

const good = { code: 'none', bytesSent: file.bytes.length, offset: file.bytes.length }
/** More than the JavaScript thread sends itself: the engine duplicates the descriptor. */
const long = sampleFile(16 * QUANTUM)
const wholly = { code: 'none', bytesSent: long.bytes.length, offset: long.bytes.length, method: 'copy' }
const after = { bytesSent: BEFORE, offset: BEFORE }

const always: readonly Row[] = (['ENOSYS', 'EPERM'] as const).flatMap((error): Row[] => [
  ['TCP socket', {}, 'sendfile', error, { ...good, method: 'copy' }],
  ['response with Content-Length', {}, 'sendfile', error, { ...good, method: 'copy' }],
  ['chunked response', {}, 'sendfile', error, { ...good, method: 'copy' }],
  ['FIFO', {}, 'sendfile', error, { ...good, method: 'copy' }],
  ['file', {}, 'copy_file_range', error, { ...good, method: 'sendfile' }],
  [
    'TCP socket',
    { method: 'sendfile' },
    'sendfile',
    error,
    { code: 'ERR_SENDFILE_UNSUPPORTED', cause: error, bytesSent: 0 },
  ],
  [
    'TCP socket',
    { method: 'splice' },
    'splice',
    error,
    { code: 'ERR_SENDFILE_UNSUPPORTED', cause: error, bytesSent: 0 },
  ],
])

const last: readonly Row[] = [
  ...(['TCP socket', 'response with Content-Length', 'chunked response', 'FIFO'] as const).flatMap(
    (destination): Row[] => [
      [destination, {}, 'sendfile', 'EINVAL', { ...good, method: 'copy' }],
      [destination, {}, 'sendfile', 'EPERM', { ...good, method: 'copy' }],
      [destination, {}, 'sendfile', 'EIO', { ...after, code: 'EIO', syscall: 'sendfile' }],
    ],
  ),
  ['file', {}, 'copy_file_range', 'EINVAL', { ...good, method: 'sendfile' }],
  ['file', {}, 'copy_file_range', 'EPERM', { ...good, method: 'sendfile' }],
  ['TCP socket', { method: 'copy' }, 'sendto', 'EIO', { ...after, code: 'EIO', syscall: 'write' }],
]

/** Temporary shortages of descriptors or threads, after which a transfer continues by copying. */
const lacking: readonly Row[] = (['ENFILE', 'EAGAIN'] as const).flatMap((error): Row[] => [
  ['TCP socket', {}, 'fcntl', error, wholly],
  ['response with Content-Length', {}, 'fcntl', error, wholly],
  ['chunked response', {}, 'fcntl', error, wholly],
  ['TCP socket', { method: 'sendfile' }, 'fcntl', error, { code: error }],
])
/** Rust's `try_clone` asks for a number above those of standard input, output and error. */
const LOWEST = 3

for (const [destination, options, call, error, expected] of lacking) {
  declare(`${destination}, ${options.method ?? 'auto'}: duplicating a descriptor always fails with ${error}`, (t) =>
    refused(t, [destination, options, call, error, expected], LOWEST, long),
  )
}
for (const [destination, options, call, error, expected] of always) {
  declare(`${destination}, ${options.method ?? 'auto'}: ${call} always fails with ${error}`, (t) =>
    refused(t, [destination, options, call, error, expected], 0),
  )
}
for (const [destination, options, call, error, expected] of last) {
  declare(`${destination}, ${options.method ?? 'auto'}: ${call} of the last bytes fails with ${error}`, (t) =>
    refused(t, [destination, options, call, error, expected], REST),
  )
}

async function refused(
  t: ExecutionContext,
  [destination, options, call, error, expected]: Row,
  count: number,
  sample = file,
): Promise<void> {
  const path = place(destination)
  const launch = refusing(call, error, count)
  const { reported, collected } = await transferTo(
    t,
    destination,
    path,
    sample,
    { quantum: QUANTUM, ...options },
    launch,
  )
  t.like(reported, expected)
  if (expected.code === 'none') t.is(reported.fallbacks?.at(-1)?.code, error)
  const tail = destination.includes('response') ? [] : [TAIL]
  t.is(sha256(collected.bytes), sha256(sample.bytes.subarray(0, reported.bytesSent), ...tail))
}
