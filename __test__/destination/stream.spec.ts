import dgram from 'node:dgram'
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { PassThrough, Readable, Writable } from 'node:stream'
import { createGunzip, createGzip } from 'node:zlib'

import test, { type ExecutionContext } from 'ava'

import { sendfile, SendfileError } from '../../index.ts'
import { badCalls, call } from '../fixtures/bad-call.ts'
import { collect } from '../fixtures/collect.ts'
import { fallbackCode } from '../fixtures/executor.ts'
import { evaluate, nodeMessages } from '../fixtures/node-errors.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { listen } from '../fixtures/servers.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { type SocketPair, tcpPair } from '../fixtures/socket-pair.ts'
import { until, within } from '../fixtures/within.ts'

const file = sampleFile(200_000)

async function pairFor(t: ExecutionContext): Promise<SocketPair> {
  const pair = await tcpPair()
  t.teardown(pair.close)
  return pair
}

/** A response whose head has not been sent, and the client's socket. */
async function exchange(t: ExecutionContext): Promise<{ response: http.ServerResponse; client: net.Socket }> {
  const server = http.createServer()
  const asked = once(server, 'request')
  const client = net.connect(await listen(t, server), '127.0.0.1').on('error', () => {})
  t.teardown(() => client.destroy())
  client.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n')
  const [, response] = await asked
  return { response, client }
}

/** Requires ERR_SENDFILE_DESTINATION immediately, without a byte. */
async function refused(t: ExecutionContext, destination: unknown, why: RegExp): Promise<void> {
  const error = await t.throwsAsync(within(call(destination, file.path, { offset: 5 }), 'the rejection'), {
    instanceOf: SendfileError,
    code: 'ERR_SENDFILE_DESTINATION',
  })
  t.like(error, { name: 'SendfileError', bytesSent: 0, errno: undefined, syscall: undefined, cause: undefined })
  t.regex(error?.message ?? '', why)
}

test.serial("a wrong type rejects with Node's class, code and message, before anything is opened", async (t) => {
  const values = [
    'undefined',
    'null',
    "'socket'",
    'true',
    '{}',
    '[]',
    'Symbol()',
    '() => {}',
    '({ write() {}, end() {} })',
    '({ write: 1, end: 2, on: 3 })',
    'new Map()',
  ]
  const said = await badCalls(
    t,
    values.map((value) => ({ destination: evaluate(value) })),
  )
  const expected = ['number', 'Socket', 'ServerResponse', 'ClientRequest', 'Writable', 'FileHandle']
  const messages = nodeMessages(
    values.map((actual) => ({ code: 'ERR_INVALID_ARG_TYPE', name: 'destination', expected, actual })),
  )
  t.deepEqual(
    said,
    messages.map((message) => ({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE', message })),
  )
})

test('a Readable is a wrong type', async (t) => {
  for (const destination of [Readable.from(['x']), new AbortController(), new http.Agent()]) {
    await t.throwsAsync(call(destination, file.path), { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE' })
  }
})

test('a datagram socket is refused', async (t) => {
  const socket = dgram.createSocket('udp4')
  t.teardown(() => socket.close())
  await refused(t, socket, /datagram/)
})

test('an ended, destroyed or closed socket is refused', async (t) => {
  const ended = await pairFor(t)
  ended.near.end('last words')
  await refused(t, ended.near, /ended/)
  t.is((await collect(await ended.far)).bytes.toString(), 'last words')

  const { near } = await pairFor(t)
  near.destroy()
  await refused(t, near, /destroyed/)
  await once(near, 'close')
  await refused(t, near, /destroyed|closed/)
})

test('a socket that was destroyed before it connected is refused', async (t) => {
  await refused(t, new net.Socket().destroy(), /destroyed/)
})

test('an ended, destroyed or finished Writable is refused', async (t) => {
  const ended = new PassThrough()
  ended.end()
  await refused(t, ended, /ended/)
  const destroyed = new Writable({ write() {} }).destroy()
  await refused(t, destroyed, /destroyed/)
  const finished = new Writable({ write: (_chunk, _encoding, callback) => callback() })
  finished.end()
  await once(finished, 'finish')
  await refused(t, finished, /ended|destroyed/)
})

test('a response that is ended, destroyed or without a client is refused', async (t) => {
  const ended = await exchange(t)
  ended.response.end('all of it')
  await refused(t, ended.response, /ended/)

  const destroyed = await exchange(t)
  destroyed.response.destroy()
  await refused(t, destroyed.response, /destroyed/)

  const { response, client } = await exchange(t)
  client.destroy()
  await once(response, 'close')
  await refused(t, response, /closed|destroyed/)
})

test('an ended or destroyed request is refused', async (t) => {
  const server = http.createServer((_request, response) => response.end())
  const port = await listen(t, server)
  const ended = http.request({ port, host: '127.0.0.1', method: 'PUT', agent: false })
  ended.end()
  await refused(t, ended, /ended/)
  const [response] = await once(ended, 'response')
  response.resume()
  const destroyed = http.request({ port, host: '127.0.0.1', method: 'PUT', agent: false }).on('error', () => {})
  destroyed.destroy()
  await refused(t, destroyed, /destroyed/)
})

test('a Transform receives every byte and can be ended', async (t) => {
  const gzip = createGzip()
  const unpacked = collect(gzip.pipe(createGunzip()))
  const { method, fallbacks, bytesSent } = await sendfile(gzip, file.path, { end: true })
  t.is(method, 'copy')
  t.like(fallbacks, [{ from: 'sendfile', to: 'copy', code: 'FOREIGN' }])
  t.is(bytesSent, file.bytes.length)
  t.is(sha256((await within(unpacked, 'the end')).bytes), sha256(file.bytes))
})

test('an abort while a Writable is blocked reports the bytes that its buffer accepted', async (t) => {
  const taken: Buffer[] = []
  const held = new Writable({ highWaterMark: 100_000, write: (chunk: Buffer) => void taken.push(chunk) })
  t.teardown(() => held.destroy())
  const controller = new AbortController()
  const sending = call(held, file.path, { signal: controller.signal })
  await until(() => held.writableNeedDrain, 'a full buffer')
  controller.abort()
  const error = await t.throwsAsync(within(sending, 'the rejection'), { instanceOf: SendfileError, code: 'ABORT_ERR' })
  t.is(error?.bytesSent, held.writableLength)
  t.true(held.writableLength >= 100_000)
  t.is(sha256(...taken), sha256(file.bytes.subarray(0, taken[0]?.length ?? -1)))
  t.is(held.listenerCount('drain'), 0)
})

class Tagged extends net.Socket {
  override _write(chunk: Buffer, encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    super._write(chunk, encoding, callback)
  }
}

test('a socket whose write or _write is replaced receives every byte through the replacement', async (t) => {
  const wrapped = await pairFor(t)
  const written: Uint8Array[] = []
  const { write } = wrapped.near
  wrapped.near.write = (chunk: string | Uint8Array, ...rest: unknown[]): boolean => {
    written.push(Buffer.from(chunk))
    return Reflect.apply(write, wrapped.near, [chunk, ...rest])
  }
  await bytesPassBy(t, wrapped.near, await wrapped.far)
  t.is(sha256(...written), sha256(file.bytes))

  const peer = await pairFor(t)
  const server = net.createServer((socket) => socket.pipe(peer.near))
  const tagged = new Tagged().connect(await listen(t, server), '127.0.0.1')
  t.teardown(() => tagged.destroy())
  await bytesPassBy(t, tagged, await peer.far)
})

/** JavaScript moves the bytes, and `fallbacks` has the reason. */
async function bytesPassBy(t: ExecutionContext, near: net.Socket, far: net.Socket): Promise<void> {
  const error = await t.throwsAsync(call(near, file.path, { method: 'sendfile' }), { instanceOf: SendfileError })
  t.is(error?.code, 'ERR_SENDFILE_UNSUPPORTED')
  const { method, fallbacks, syscalls } = await sendfile(near, file.path, { end: true })
  t.like(fallbacks, [{ from: 'sendfile', to: 'copy' }])
  // a class with its own methods is recognized before the platform
  t.true(['WRAPPED', fallbackCode('WRAPPED')].includes(String(fallbacks[0]?.code)))
  t.deepEqual([method, syscalls, fallbacks.length], ['copy', 0, 1])
  t.is(sha256((await within(collect(far), 'the end')).bytes), sha256(file.bytes))
}
