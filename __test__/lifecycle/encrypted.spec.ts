// TLS and HTTP/2: the peer receives the right bytes, and none of them is unencrypted on the wire.
import { once } from 'node:events'
import http2 from 'node:http2'
import https from 'node:https'
import net from 'node:net'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import tls from 'node:tls'
import test, { type ExecutionContext } from 'ava'

import { sendfile, type SendfileOptions, type SendfileResult } from '../../index.ts'
import { cert, key } from '../fixtures/certificate.ts'
import { portOf } from '../fixtures/connected-pair.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { type Proxy, tcpProxy } from '../fixtures/tcp-proxy.ts'
import { within } from '../fixtures/within.ts'

const file = sampleFile(1 << 20)
const range: SendfileOptions = { offset: 4096, count: file.bytes.length - 10_000, end: true }
const expected = file.bytes.subarray(4096, file.bytes.length - 10_000 + 4096)
const trust = { ca: cert, servername: 'localhost', rejectUnauthorized: false }

/** Distance and length in bytes of the parts of the file that are searched for on the wire. */
const STEP = 8192
const PIECE = 12

function assertOutcome(t: ExecutionContext, result: SendfileResult, code: 'TLS' | 'HTTP2', proxy: Proxy): void {
  t.is(result.method, 'copy')
  t.is(result.bytesSent, expected.length)
  t.is(result.offset, 4096 + expected.length)
  t.is(result.syscalls, 0)
  t.deepEqual(
    result.fallbacks.map((fallback) => ({ ...fallback, reason: typeof fallback.reason })),
    [{ from: 'sendfile', to: 'copy', code, reason: 'string' }],
  )
  const wire = proxy.bytes()
  t.true(wire.length > expected.length, 'the proxy has seen it all')
  for (let at = 0; at + PIECE <= expected.length; at += STEP) {
    t.false(wire.includes(expected.subarray(at, at + PIECE)), `plaintext of offset ${at} on the wire`)
  }
}

async function proxied(t: ExecutionContext, server: net.Server): Promise<Proxy> {
  const port = await portOf(server)
  t.teardown(() => server.close())
  return tcpProxy(t, port)
}

/** What a stream reads to its end. */
function contentOf(stream: Readable): Promise<Buffer> {
  return within(buffer(stream), 'the content')
}

test('an https response is copied', async (t) => {
  const server = https.createServer({ key, cert })
  const proxy = await proxied(t, server)
  const sent = new Promise<SendfileResult>((resolve, reject) => {
    server.on('request', (_, response) => sendfile(response, file.path, range).then(resolve, reject))
  })
  const request = https.get({ port: proxy.port, host: '127.0.0.1', agent: false, ...trust })
  const [response] = await once(request, 'response')
  t.is(response.headers['content-length'], `${expected.length}`)
  t.is(sha256(await contentOf(response)), sha256(expected))
  assertOutcome(t, await sent, 'TLS', proxy)
})

test('an https upload is copied', async (t) => {
  const server = https.createServer({ key, cert })
  const proxy = await proxied(t, server)
  const received = new Promise<Buffer>((resolve, reject) => {
    server.on('request', (request, response) => {
      contentOf(request).then(resolve, reject)
      request.on('end', () => response.end())
    })
  })
  const request = https.request({ method: 'PUT', port: proxy.port, host: '127.0.0.1', agent: false, ...trust })
  const answered = once(request, 'response')
  const result = await within(sendfile(request, file.path, range), 'the transfer')
  await within(answered, 'the answer')
  t.is(sha256(await received), sha256(expected))
  assertOutcome(t, result, 'TLS', proxy)
})

for (const connected of [true, false]) {
  test(`a client's TLS socket is copied to, ${connected ? 'connected' : 'before it connects'}`, async (t) => {
    const server = tls.createServer({ key, cert })
    const proxy = await proxied(t, server)
    const received = once(server, 'secureConnection').then(([socket]) => contentOf(socket))
    const socket = tls.connect({ port: proxy.port, host: '127.0.0.1', ...trust })
    t.teardown(() => void socket.destroy())
    if (connected) await once(socket, 'secureConnect')
    const result = await within(sendfile(socket, file.path, range), 'the transfer')
    t.is(sha256(await received), sha256(expected))
    assertOutcome(t, result, 'TLS', proxy)
  })
}

test("a server's TLS socket over a socket that carried an unencrypted transfer is copied to", async (t) => {
  const server = net.createServer()
  const proxy = await proxied(t, server)
  const connection = once(server, 'connection')
  const plain = net.connect(proxy.port, '127.0.0.1')
  const [near] = await connection
  t.teardown(() => void near.destroy())
  const clear = Buffer.from('in the clear: ')
  const small = { count: 100 }
  near.write(clear)
  await sendfile(near, file.path, small)
  const first = await within(readExactly(plain, clear.length + 100), 'what comes in the clear')
  t.is(sha256(first), sha256(clear, file.bytes.subarray(0, 100)))

  const secure = new tls.TLSSocket(near, { isServer: true, key, cert })
  const socket = tls.connect({ socket: plain, ...trust })
  t.teardown(() => void socket.destroy())
  const received = contentOf(socket)
  const result = await within(sendfile(secure, file.path, range), 'the transfer')
  t.is(sha256(await received), sha256(expected))
  assertOutcome(t, result, 'TLS', proxy)
})

function readExactly(socket: net.Socket, size: number): Promise<Buffer> {
  return new Promise((resolve) => {
    const read = (): void => {
      const chunk: unknown = socket.read(size)
      if (!Buffer.isBuffer(chunk)) return
      socket.off('readable', read)
      resolve(chunk)
    }
    socket.on('readable', read)
    read()
  })
}

for (const [name, choose] of [
  [
    'an HTTP/2 response of the compatibility API',
    (_: http2.ServerHttp2Stream, response: http2.Http2ServerResponse) => response,
  ],
  ['an HTTP/2 stream', (stream: http2.ServerHttp2Stream) => stream],
] as const) {
  for (const secure of [true, false]) {
    test(`${name}, ${secure ? 'over TLS' : 'unencrypted'}`, async (t) => {
      const server = secure ? http2.createSecureServer({ key, cert }) : http2.createServer()
      const proxy = await proxied(t, server)
      const sent = new Promise<SendfileResult>((resolve, reject) => {
        server.on('request', (_request, response) => {
          sendfile(choose(response.stream, response), file.path, range).then(resolve, reject)
        })
      })
      const session = http2.connect(`http${secure ? 's' : ''}://127.0.0.1:${proxy.port}`, trust)
      t.teardown(() => session.destroy())
      const stream = session.request({ ':path': '/' })
      t.is(sha256(await contentOf(stream)), sha256(expected))
      const result = await sent
      if (secure) return assertOutcome(t, result, 'HTTP2', proxy)
      const { method, bytesSent, fallbacks } = result
      t.deepEqual([method, bytesSent, fallbacks[0]?.code], ['copy', expected.length, 'HTTP2'])
      t.true(proxy.bytes().includes(expected.subarray(0, PIECE)), 'the proxy sees what is not encrypted')
    })
  }
}
