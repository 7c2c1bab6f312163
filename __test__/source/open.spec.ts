import { execFileSync } from 'node:child_process'
import { appendFileSync, closeSync, fstatSync, mkdirSync, openSync, writeFileSync } from 'node:fs'
import fs from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { constants } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

import test, { type ExecutionContext } from 'ava'

import { sendfile, SendfileError, type SourceArgument } from '../../index.ts'
import { badCalls, call } from '../fixtures/bad-call.ts'
import { collect } from '../fixtures/collect.ts'
import { countDescriptors, descriptorsSettleAt } from '../fixtures/descriptors.ts'
import { IN_KERNEL, serialBy } from '../fixtures/executor.ts'
import { evaluate, nodeMessages } from '../fixtures/node-errors.ts'
import { TYPESCRIPT } from '../fixtures/child-process.ts'
import { sampleBytes, sampleDirectory, sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { tcpPair } from '../fixtures/socket-pair.ts'
import { warmEngine } from '../fixtures/warm-engine.ts'
import { within } from '../fixtures/within.ts'

const file = sampleFile(200_000)
const folder = join(sampleDirectory(), 'a folder')
mkdirSync(folder)
const fifo = join(sampleDirectory(), 'fifo')
execFileSync('mkfifo', [fifo])

/** The bytes that the destination receives from a source; nothing stays open. */
async function digestOf(t: ExecutionContext, source: SourceArgument): Promise<string> {
  const before = countDescriptors()
  const { near, far, close } = await tcpPair()
  t.teardown(close)
  await sendfile(near, source, { end: true })
  const { bytes } = await within(collect(await far), 'the end')
  await close()
  t.is(await descriptorsSettleAt(before), before)
  return sha256(bytes)
}

test.before(warmEngine)

test.serial('a path may be a string, a Buffer, a Uint8Array or a file: URL', async (t) => {
  const bytes = Buffer.from(file.path)
  for (const source of [file.path, bytes, new Uint8Array(bytes), pathToFileURL(file.path)]) {
    t.is(await digestOf(t, source), sha256(file.bytes))
  }
})

test.serial('a path may contain bytes that are not UTF-8', async (t) => {
  const path = Buffer.concat([Buffer.from(`${sampleDirectory()}/`), Buffer.from([0xff, 0xfe, 0x20, 0xe9])])
  const bytes = sampleBytes(1000, 3)
  writeFileSync(path, bytes)
  t.is(await digestOf(t, path), sha256(bytes))
})

test.serial('a file: URL may contain escaped characters', async (t) => {
  const path = join(sampleDirectory(), 'a #strange? näme%20')
  writeFileSync(path, file.bytes)
  t.is(await digestOf(t, pathToFileURL(path)), sha256(file.bytes))
})

test.serial("a caller's descriptor stays open and keeps its position", async (t) => {
  const fd = openSync(file.path, 'r')
  const ino = fstatSync(fd).ino
  t.is(await digestOf(t, fd), sha256(file.bytes))
  t.is(await digestOf(t, fd), sha256(file.bytes))
  t.is(fstatSync(fd).ino, ino)
  closeSync(fd)
})

test.serial("a caller's FileHandle stays open", async (t) => {
  const handle = await open(file.path)
  t.is(await digestOf(t, handle), sha256(file.bytes))
  t.is((await handle.stat()).size, file.bytes.length)
  t.is((await handle.read({ buffer: Buffer.alloc(3) })).buffer.toString('hex'), file.bytes.toString('hex', 0, 3))
  await handle.close()
})

test.serial('the file is sent with its length at the time of the call', async (t) => {
  const growing = sampleFile(1000)
  const fd = openSync(growing.path, 'r')
  const { near, far, close } = await tcpPair()
  t.teardown(close)
  const sending = sendfile(near, fd, { end: true })
  appendFileSync(growing.path, 'more')
  t.is((await sending).bytesSent, 1000)
  t.is(sha256((await collect(await far)).bytes), sha256(growing.bytes))
  closeSync(fd)
  await close()
})

test.serial("a wrong type rejects with Node's class, code and message, before anything is sent", async (t) => {
  const values = [
    'undefined',
    'null',
    'true',
    '{}',
    '[]',
    "Symbol('path')",
    '() => {}',
    '5n',
    'new Date(0)',
    '{ fd: 1 }',
  ]
  const expected = ['string', 'number', 'Buffer', 'URL', 'FileHandle']
  const said = await badCalls(
    t,
    values.map((value) => ({ source: evaluate(value) })),
  )
  const messages = nodeMessages(
    values.map((actual) => ({ code: 'ERR_INVALID_ARG_TYPE', name: 'source', expected, actual })),
  )
  t.deepEqual(
    said,
    messages.map((message) => ({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE', message })),
  )
})

test.serial('a number that cannot be a descriptor rejects with the error of fs.fstat', async (t) => {
  const numbers = [-1, 1.5, Number.NaN, Infinity, 2 ** 31, -(2 ** 31)]
  const said = await badCalls(
    t,
    numbers.map((source) => ({ source })),
  )
  t.deepEqual(
    said,
    numbers.map((number) => nodeSays(t, () => fs.fstatSync(number), 'fd')),
  )
})

test.serial('an invalid path rejects with the error of fs.open', async (t) => {
  const paths = [
    '/tmp/with\0null',
    Buffer.from('/tmp/with\0null'),
    new URL('http://localhost/file'),
    new URL('data:,file'),
    new URL('file://elsewhere/file'),
    new URL('file:///a%2Fb'),
    new URL('file:///a%00b'),
  ]
  const said = await badCalls(
    t,
    paths.map((source) => ({ source })),
  )
  t.deepEqual(
    said,
    paths.map((path) => nodeSays(t, () => fs.openSync(path, 'r'), 'path')),
  )
})

/** Node's own error, about an argument that is called `source` here. */
function nodeSays(t: ExecutionContext, act: () => unknown, name: string): unknown {
  const error = t.throws(act)
  const message = (error?.message ?? '').replace(new RegExp(`(["'])${name}\\1`), '$1source$1')
  return { name: error?.name, code: Reflect.get(Object(error), 'code'), message }
}

interface Failing {
  readonly source: string | number
  readonly code: 'ENOENT' | 'ENOTDIR' | 'ENAMETOOLONG' | 'ELOOP' | 'EISDIR' | 'EBADF'
  readonly syscall: string
}

/** Calls with valid arguments and a source that cannot be read; the destination stays unchanged. */
async function failing(t: ExecutionContext, cases: readonly Failing[]): Promise<void> {
  const before = countDescriptors()
  const { near, far, close } = await tcpPair()
  t.teardown(close)
  near.write('<')
  for (const { source, code, syscall } of cases) {
    const error = await t.throwsAsync(within(call(near, source, { offset: 3 }), code), { instanceOf: SendfileError })
    const path = typeof source === 'string' ? source : undefined
    t.like(error, { code, errno: -constants.errno[code], syscall, path, bytesSent: 0, offset: 3 })
    t.true(error?.message.startsWith(`${code}: `), error?.message)
    t.true(error?.message.endsWith(path === undefined ? `, ${syscall}` : `, ${syscall} '${path}'`), error?.message)
  }
  near.end('>')
  t.is((await within(collect(await far), 'the end')).bytes.toString(), '<>')
  await close()
  t.is(await descriptorsSettleAt(before), before)
}

test.serial('a path that cannot be opened rejects with errno, syscall and path of open(2)', async (t) => {
  await failing(t, [
    { source: join(folder, 'missing'), code: 'ENOENT', syscall: 'open' },
    { source: '', code: 'ENOENT', syscall: 'open' },
    { source: join(file.path, 'below'), code: 'ENOTDIR', syscall: 'open' },
    { source: `/${'x'.repeat(300)}`, code: 'ENAMETOOLONG', syscall: 'open' },
  ])
})

test.serial('a directory is refused, by path and by number', async (t) => {
  const fd = openSync(folder, 'r')
  await failing(t, [
    { source: folder, code: 'EISDIR', syscall: 'read' },
    { source: fd, code: 'EISDIR', syscall: 'read' },
  ])
  closeSync(fd)
})

test.serial('a number that is not open rejects with EBADF', async (t) => {
  // Far above those in use: the number of a descriptor that was just closed is reused next.
  await failing(t, [{ source: 1_000_000, code: 'EBADF', syscall: 'fstat' }])
})

test.serial('a closed FileHandle rejects with EBADF', async (t) => {
  const handle = await open(file.path)
  await handle.close()
  const said = await badCalls(t, [{ source: handle }])
  t.like(said, [{ name: 'SendfileError', code: 'EBADF' }])
})

for (const method of ['auto', 'sendfile', 'copy'] as const) {
  serialBy(method)(`a descriptor that is open only for writing rejects with EBADF, by ${method}`, async (t) => {
    const { path } = sampleFile(1000)
    const fd = openSync(path, 'a')
    const { near, far, close } = await tcpPair()
    t.teardown(close)
    near.write('<')
    const error = await t.throwsAsync(within(call(near, fd, { method }), 'the end'), { instanceOf: SendfileError })
    const syscall = method === 'copy' || !IN_KERNEL ? 'read' : 'sendfile'
    t.like(error, { code: 'EBADF', errno: -constants.errno.EBADF, syscall, bytesSent: 0, offset: 0 })
    near.end('>')
    t.is((await within(collect(await far), 'the end')).bytes.toString(), '<>')
    closeSync(fd)
    await close()
  })
}

test.serial('a device is refused without count, because it has no end', async (t) => {
  const reading = openSync('/dev/zero', 'r')
  const said = await badCalls(t, [{ source: '/dev/zero' }, { source: reading }])
  closeSync(reading)
  t.deepEqual(
    said.map(({ name, code }) => `${name} ${String(code)}`),
    Array.from({ length: 2 }, () => 'TypeError ERR_INVALID_ARG_VALUE'),
  )
})

test.serial(
  'an argument that does not fit the kind of source rejects without bytesSent, because no transfer has begun',
  async (t) => {
    const { near, close } = await tcpPair()
    t.teardown(close)
    const error = await t.throwsAsync(sendfile(near, '/dev/zero'), { code: 'ERR_INVALID_ARG_VALUE' })
    t.deepEqual([Reflect.has(error, 'bytesSent'), Reflect.has(error, 'offset')], [false, false])
  },
)

const UNSEEKABLE = ['/dev/net/tun', '/dev/vsock', '/dev/fuse'].find((path) => {
  try {
    closeSync(openSync(path, 'r'))
    return true
  } catch {
    return false
  }
})
const withUnseekable = UNSEEKABLE === undefined ? test.serial.skip : test.serial

withUnseekable('offset null of a device without a position counts from 0', async (t) => {
  const { near, close } = await tcpPair()
  t.teardown(close)
  const sent = sendfile(near, UNSEEKABLE ?? '', { offset: null, count: 10, stallTimeout: 100 })
  t.like(await t.throwsAsync(within(sent, 'the end'), { instanceOf: SendfileError }), { bytesSent: 0, offset: 0 })
})

test.serial('copying to a file in JavaScript does not block on the disk', (t) => {
  const index = JSON.stringify(new URL('../../index.ts', import.meta.url))
  const [from, to] = [sampleFile(1 << 20).path, join(sampleDirectory(), 'would-block')].map((path) =>
    JSON.stringify(path),
  )
  const program = `import fs from 'node:fs'
    const { sendfile } = await import(${index})
    const { method, wouldBlock, bytesSent } = await sendfile(fs.openSync(${to}, 'w'), ${from})
    console.log(JSON.stringify({ method, wouldBlock, bytesSent }))`
  const env = { ...process.env, SENDFILE64: 'off' }
  const reported = execFileSync(process.execPath, [TYPESCRIPT, '--input-type=module', '-e', program], { env })
  t.deepEqual(JSON.parse(reported.toString()), { method: 'copy', wouldBlock: 0, bytesSent: 1 << 20 })
})

test.serial('a FIFO without a writer is waited for without blocking a thread', async (t) => {
  const { near, far, close } = await tcpPair()
  t.teardown(close)
  const before = countDescriptors()
  const aborts = Array.from({ length: 8 }, () => new AbortController())
  const sendings = aborts.map(({ signal }) => call(near, fifo, { signal }))
  const stats = await within(stat(file.path), 'a thread of the pool')
  t.is(stats.size, file.bytes.length)
  for (const abort of aborts) abort.abort()
  for (const sending of sendings) {
    const error = await t.throwsAsync(within(sending, 'the end'), { instanceOf: SendfileError })
    t.like(error, { code: 'ABORT_ERR', bytesSent: 0 })
  }
  t.is(await descriptorsSettleAt(before), before)
  near.end('usable')
  t.is((await within(collect(await far), 'the end')).bytes.toString(), 'usable')
})
