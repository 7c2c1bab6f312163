import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, existsSync, ftruncateSync, openSync, readFileSync, readSync, rmSync, statSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import test, { type ExecutionContext } from 'ava'

import { sendfileSync, SendfileError } from '../../index.ts'
import { TYPESCRIPT } from '../fixtures/child-process.ts'
import { collect } from '../fixtures/collect.ts'
import { kernelTest } from '../fixtures/executor.ts'
import { evaluate, type NodeError, nodeMessages } from '../fixtures/node-errors.ts'
import { sampleDirectory, sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { tcpPair } from '../fixtures/socket-pair.ts'
import { within } from '../fixtures/within.ts'

const GIB = 2 ** 30
/** sendfile(2), NOTES: the maximum that one call transfers. */
const MOST = 0x7ffff000
const file = sampleFile(300_000)

let files = 0

/** A descriptor that is closed with the test. */
function openFor(t: ExecutionContext, path: string, flags: string): number {
  const fd = openSync(path, flags)
  t.teardown(() => closeSync(fd))
  return fd
}

interface Target {
  readonly path: string
  readonly fd: number
}

/** A new file to write to. */
function target(t: ExecutionContext): Target {
  const path = join(sampleDirectory(), `target-${files++}`)
  return { path, fd: openFor(t, path, 'w') }
}

function thrown(t: ExecutionContext, ...args: readonly unknown[]): Error | undefined {
  return t.throws(() => Reflect.apply(sendfileSync, undefined, [...args]))
}

kernelTest('sends a range and returns the offset of the next byte', (t) => {
  const { path, fd } = target(t)
  const source = openFor(t, file.path, 'r')
  t.deepEqual(sendfileSync(fd, source, 1000, 250_000), { bytesSent: 250_000, offset: 251_000 })
  t.is(sha256(readFileSync(path)), sha256(file.bytes.subarray(1000, 251_000)))
})

kernelTest('accepts bigints and returns numbers where they are exact', (t) => {
  const { path, fd } = target(t)
  t.deepEqual(sendfileSync(fd, openFor(t, file.path, 'r'), 1n, 2n), { bytesSent: 2, offset: 3 })
  t.deepEqual(readFileSync(path), file.bytes.subarray(1, 3))
})

kernelTest('a short count is returned at the end of the file and beyond it', (t) => {
  const { fd } = target(t)
  const source = openFor(t, file.path, 'r')
  t.deepEqual(sendfileSync(fd, source, 299_990, 100), { bytesSent: 10, offset: 300_000 })
  t.deepEqual(sendfileSync(fd, source, 300_000, 100), { bytesSent: 0, offset: 300_000 })
  t.deepEqual(sendfileSync(fd, source, 999_999, 100), { bytesSent: 0, offset: 999_999 })
  t.deepEqual(sendfileSync(fd, source, 0, 0), { bytesSent: 0, offset: 0 })
})

kernelTest('a numeric offset leaves the position of the source unchanged; null uses and moves it', (t) => {
  const { path, fd } = target(t)
  const source = openFor(t, file.path, 'r')
  t.is(readSync(source, Buffer.alloc(7)), 7)
  t.deepEqual(sendfileSync(fd, source, 100, 50), { bytesSent: 50, offset: 150 })
  t.deepEqual(sendfileSync(fd, source, null, 20), { bytesSent: 20, offset: null })
  t.deepEqual(sendfileSync(fd, source, null, 30), { bytesSent: 30, offset: null })
  const next = Buffer.alloc(4)
  t.is(readSync(source, next), 4)
  t.deepEqual(next, file.bytes.subarray(57, 61))
  t.deepEqual(readFileSync(path), Buffer.concat([file.bytes.subarray(100, 150), file.bytes.subarray(7, 57)]))
})

kernelTest('a full socket throws EAGAIN, and the accepted bytes arrive', async (t) => {
  const { near, far, close } = await tcpPair()
  t.teardown(close)
  const source = openFor(t, sampleFile(2 * 2 ** 20).path, 'r')
  const fd = handleFd(near)
  let accepted = 0
  const fill = (): void => {
    // Far more than the buffers of a socket hold.
    while (accepted < GIB) accepted += sendfileSync(fd, source, 0, 2 * 2 ** 20).bytesSent
  }
  const error = t.throws(fill, { instanceOf: SendfileError, code: 'EAGAIN' })
  t.like(error, { errno: -constants.errno.EAGAIN, syscall: 'sendfile', bytesSent: 0, offset: 0, path: undefined })
  t.is(error?.message, 'EAGAIN: resource temporarily unavailable, sendfile')
  const received = collect(await far)
  near.end()
  t.is((await within(received, 'the end')).bytes.length, accepted)
})

/** The number of a socket's descriptor, which a caller of sendfileSync() needs. */
function handleFd(socket: object): number {
  const fd: unknown = Reflect.get(Object(Reflect.get(socket, '_handle')), 'fd')
  if (typeof fd !== 'number' || fd < 0) throw new TypeError('the socket has no descriptor')
  return fd
}

kernelTest('kernel errors have code, errno, syscall and bytesSent', (t) => {
  const { fd } = target(t)
  const source = openFor(t, file.path, 'r')
  const appending = openFor(t, file.path, 'a')
  const cases = [
    ['EBADF', 1_000_000, source, 0],
    ['EBADF', fd, 1_000_000, 0],
    ['EBADF', source, source, 0],
    ['EBADF', fd, fd, 5],
    ['EINVAL', appending, source, 7],
  ] as const
  for (const [code, out, input, offset] of cases) {
    const error = thrown(t, out, input, offset, 10)
    t.true(error instanceof SendfileError)
    t.like(error, { code, errno: -constants.errno[code], syscall: 'sendfile', bytesSent: 0, offset })
    t.regex(error?.message ?? '', new RegExp(`^${code}: .+, sendfile$`))
  }
})

kernelTest('a closed peer throws EPIPE and raises no signal', async (t) => {
  const { near, close } = await tcpPair()
  t.teardown(close)
  near.end()
  await new Promise((resolve) => {
    near.once('finish', resolve)
  })
  const error = thrown(t, handleFd(near), openFor(t, file.path, 'r'), 0, 10)
  t.like(error, { code: 'EPIPE', errno: -constants.errno.EPIPE, syscall: 'sendfile' })
})

kernelTest('offsets and counts go up to 2^63 - 1', (t) => {
  const { path, fd } = target(t)
  const source = openFor(t, file.path, 'r')
  const last = 2n ** 63n - 1n
  // The kernel says that a range must not end beyond the largest offset.
  for (const [offset, count] of [
    [last, 1n],
    [1n, last],
  ] as const) {
    const error = thrown(t, fd, source, offset, count)
    t.true(error instanceof SendfileError)
    t.true(['EINVAL', 'EOVERFLOW'].includes(String(Reflect.get(Object(error), 'code'))), error?.message)
    t.is(Reflect.get(Object(error), 'offset'), offset === last ? last : 1)
  }
  t.deepEqual(sendfileSync(fd, source, 0, last), { bytesSent: 300_000, offset: 300_000 })
  t.is(sha256(readFileSync(path)), sha256(file.bytes))
})

kernelTest('one call moves at most 0x7ffff000 bytes, also from beyond 4 GiB', (t) => {
  // On tmpfs a hole costs no memory and almost no time.
  const folder = existsSync('/dev/shm') ? '/dev/shm' : sampleDirectory()
  const path = join(folder, `sendfile64-sparse-${process.pid}`)
  const source = openFor(t, path, 'w+')
  rmSync(path)
  ftruncateSync(source, 7 * GIB)
  const sink = openFor(t, '/dev/null', 'w')
  // A signal may end a call early (sendfile(2), RETURN VALUE), so the maximum of several calls is the limit.
  const counts = Array.from({ length: 10 }, () => {
    const { bytesSent, offset } = sendfileSync(sink, source, 4 * GIB + 1, 3 * GIB)
    t.is(offset, 4 * GIB + 1 + bytesSent)
    return bytesSent
  })
  t.is(Math.max(...counts), MOST)
})

const FRACTIONS = ['1.5', 'NaN', 'Infinity']

function types(name: string, expected: string[], values: string[]): NodeError[] {
  return values.map((actual) => ({ code: 'ERR_INVALID_ARG_TYPE', name, expected, actual }))
}

function ranges(name: string, expected: string, values: string[]): NodeError[] {
  return values.map((actual) => ({ code: 'ERR_OUT_OF_RANGE', name, expected, actual }))
}

function descriptor(name: string): NodeError[] {
  return [
    ...types(name, ['number'], ["'1'", 'null', 'undefined', '{}', '1n', 'true']),
    ...ranges(name, 'an integer', FRACTIONS),
    ...ranges(name, '>= 0 && <= 2147483647', ['-1', '2 ** 31']),
  ]
}

function bytes(name: string): NodeError[] {
  return [
    ...ranges(name, 'an integer', FRACTIONS),
    ...ranges(name, '>= 0 && <= 9007199254740991 (use a bigint above)', ['-1', '2 ** 53']),
    ...ranges(name, '>= 0 && <= 9223372036854775807', ['-1n', '2n ** 63n']),
  ]
}

test('bad arguments throw errors with the class, code and message that Node uses', (t) => {
  const errors = [
    ...descriptor('outFd'),
    ...descriptor('inFd'),
    ...types('offset', ['number', 'bigint'], ["'0'", 'undefined', '{}', 'false']),
    ...types('count', ['number', 'bigint'], ["'0'", 'undefined', 'null', 'false']),
    ...bytes('offset'),
    ...bytes('count'),
  ]
  const messages = nodeMessages(errors)
  const { path, fd } = target(t)
  const good: Record<string, unknown> = { outFd: fd, inFd: openFor(t, file.path, 'r'), offset: 0, count: 1 }
  for (const [index, { code, name, actual }] of errors.entries()) {
    const error = thrown(t, ...Object.values({ ...good, [name]: evaluate(actual) }))
    const className = code === 'ERR_OUT_OF_RANGE' ? 'RangeError' : 'TypeError'
    t.like(error, { name: className, code, message: messages[index] })
  }
  t.is(statSync(path).size, 0, 'no byte has moved')
})

test('invalid descriptor numbers throw the error of fs.closeSync', (t) => {
  for (const fd of [-1, 2 ** 31, 1.5, '1', null]) {
    const stock = t.throws(() => Reflect.apply(closeSync, undefined, [fd]))
    const ours = thrown(t, fd, 0, 0, 0)
    t.is(ours?.message, stock?.message.replace('"fd"', '"outFd"'))
    t.is(Reflect.get(Object(ours), 'code'), Reflect.get(Object(stock), 'code'))
  }
})

const straceIsThere = spawnSync('strace', ['-V']).status === 0

;(straceIsThere ? kernelTest : test.skip)('makes exactly one sendfile64(2) for any count', (t) => {
  const log = join(sampleDirectory(), 'sync.strace')
  const script = fileURLToPath(new URL('../fixtures/children/one-sendfile-sync.ts', import.meta.url))
  const node = [process.execPath, TYPESCRIPT, script, file.path]
  execFileSync('strace', ['-f', '-qq', '-e', 'trace=sendfile,sendfile64', '-o', log, ...node], { timeout: 30_000 })
  const calls = readFileSync(log, 'utf8').match(/sendfile(?:64)?\(.*/g)
  t.is(calls?.length, 1, calls?.join('\n'))
  t.regex(calls?.[0] ?? '', /\[5\] => \[300000\], 1073741824\)\s+= 299995$/)
})
