// A connection that a 'clientError' listener ends while a file is on its way, as Node's documentation shows it. The client
// keeps its own side open, so that the connection does not close.
import http, { type ServerResponse } from 'node:http'
import https from 'node:https'
import net from 'node:net'
import tls from 'node:tls'
import type { ExecutionContext } from 'ava'

import { createReadStream, sendfile } from '../../index.ts'
import { cert, key } from '../fixtures/certificate.ts'
import { descriptorsOf } from '../fixtures/descriptors.ts'
import { kernelSerial } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { listen } from '../fixtures/servers.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { until, within } from '../fixtures/within.ts'

const SIZE = 32 << 20
const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'
const BAD_REQUEST = 'HTTP/1.1 400 Bad Request\r\n\r\n'

interface Answered {
  /** What follows the headers of the first response. */
  readonly body: Buffer
  /** The state of each promise. */
  readonly settled: readonly unknown[]
}

interface How {
  readonly path: string
  readonly send: (response: ServerResponse) => Promise<unknown> | void
  readonly requests?: string
  readonly garbage?: string
  readonly framing?: 'length' | 'chunked'
  readonly encrypted?: boolean
  readonly options?: http.ServerOptions
}

/** A client reads 1 MiB, sends `garbage`, reads until its peer ends the connection, and keeps its side open. */
async function download(t: ExecutionContext, how: How): Promise<Answered> {
  const settled: unknown[] = []
  const answer = (_request: unknown, response: ServerResponse): void => {
    if (how.framing === 'chunked') response.setHeader('Transfer-Encoding', 'chunked')
    else response.setHeader('Content-Length', SIZE)
    how.send(response)?.then(
      () => settled.push('sent'),
      (error: unknown) => settled.push(Reflect.get(Object(error), 'code')),
    )
  }
  const server = how.encrypted
    ? https.createServer({ cert, key }, answer)
    : http.createServer(how.options ?? {}, answer)
  server.on('clientError', (_error, socket) => void socket.end(BAD_REQUEST))
  const port = await listen(t, server)
  const options = { port, host: '127.0.0.1', allowHalfOpen: true, rejectUnauthorized: false }
  const client = how.encrypted ? tls.connect(options) : net.connect(options)
  t.teardown(() => {
    client.destroy()
    server.closeAllConnections()
  })
  client.write(how.requests ?? GET)
  const chunks: Buffer[] = []
  let length = 0
  client.on('data', (chunk: Buffer) => {
    if (length < 1 << 20 && length + chunk.length >= 1 << 20) client.write(how.garbage ?? 'GARBAGE\r\n\r\n')
    chunks.push(chunk)
    length += chunk.length
  })
  await within(new Promise((resolve) => client.once('end', resolve)), 'the end of the answer', 20_000)
  const all = Buffer.concat(chunks)
  return { body: all.subarray(all.indexOf('\r\n\r\n') + 4), settled }
}

/** The data of the chunks, up to the terminator or to invalid data, and the rest. */
function dechunk(body: Buffer): { readonly data: Buffer; readonly rest: string } {
  const data: Buffer[] = []
  let at = 0
  for (;;) {
    const lineEnd = body.indexOf('\r\n', at)
    const head = body.subarray(at, Math.max(at, lineEnd)).toString('latin1')
    if (!/^[1-9a-f][0-9a-f]*$/.test(head)) break
    const end = lineEnd + 2 + Number.parseInt(head, 16)
    data.push(body.subarray(lineEnd + 2, end))
    at = end + 2
  }
  return { data: Buffer.concat(data), rest: body.subarray(at).toString('latin1') }
}

for (const framing of ['length', 'chunked'] as const) {
  kernelSerial(`a stream with ${framing} stops between two writes and keeps one descriptor, as in Node`, async (t) => {
    const { path, bytes } = sampleFile(SIZE)
    const send = (response: ServerResponse): void => void createReadStream(path).pipe(response)
    const { body } = await download(t, { path, send, framing })
    const { data, rest } =
      framing === 'chunked'
        ? dechunk(body)
        : { data: body.subarray(0, -BAD_REQUEST.length), rest: body.subarray(-BAD_REQUEST.length).toString('latin1') }
    t.is(rest, BAD_REQUEST)
    t.is(sha256(data), sha256(bytes.subarray(0, data.length)))
    await until(() => descriptorsOf(path) <= 1, 'the duplicate of the segment is closed')
    t.pass()
  })

  kernelSerial(`a file by sendfile() with ${framing} arrives complete`, async (t) => {
    const { path, bytes } = sampleFile(SIZE)
    const send = (response: ServerResponse): Promise<unknown> => sendfile(response, path, { end: true })
    const { body, settled } = await download(t, { path, send, framing })
    const { data, rest } =
      framing === 'chunked'
        ? dechunk(body)
        : { data: body.subarray(0, SIZE), rest: body.subarray(SIZE).toString('latin1') }
    t.is(sha256(data), sha256(bytes))
    t.is(rest.replace(/^0\r\n\r\n/, ''), BAD_REQUEST)
    await until(() => descriptorsOf(path) === 0 && settled.length === 1, 'the promise is settled, the file closed')
    t.pass()
  })
}

for (const framing of ['length', 'chunked'] as const) {
  for (const how of ['sendfile()', 'a stream'] as const) {
    kernelSerial(
      `an incomplete request line and requestTimeout interrupt no segment of ${how} with ${framing}`,
      async (t) => {
        const { path, bytes } = sampleFile(SIZE)
        const send = (response: ServerResponse): Promise<unknown> | void =>
          how === 'sendfile()' ? sendfile(response, path, { end: true }) : void createReadStream(path).pipe(response)
        const options = { requestTimeout: 300, headersTimeout: 300, connectionsCheckingInterval: 100 }
        const { body, settled } = await download(t, { path, send, framing, garbage: 'GET / HT', options })
        const data = framing === 'chunked' ? dechunk(body).data : body.subarray(0, -BAD_REQUEST.length)
        t.is(sha256(data), sha256(bytes.subarray(0, data.length)))
        if (how === 'sendfile()') t.is(data.length, SIZE)
        if (how === 'sendfile()') await until(() => settled.length === 1, 'the promise is settled')
        await until(() => descriptorsOf(path) <= (data.length === SIZE ? 0 : 1), 'the file is closed')
        t.true(body.includes(BAD_REQUEST))
      },
    )
  }
}

kernelSerial('sendfile() that copies to a TLS connection rejects after the connection was ended', async (t) => {
  const { path, bytes } = sampleFile(SIZE)
  const send = (response: ServerResponse): Promise<unknown> => sendfile(response, path, { end: true })
  const { body, settled } = await download(t, { path, send, encrypted: true })
  const data = body.subarray(0, -BAD_REQUEST.length)
  t.is(sha256(data), sha256(bytes.subarray(0, data.length)))
  await until(() => settled.length === 1, 'the promise is settled')
  t.deepEqual(settled, ['ERR_SENDFILE_DESTINATION'])
  await until(() => descriptorsOf(path) === 0, 'the file is closed')
})

for (const encrypted of [false, true]) {
  const over = encrypted ? 'TLS' : 'TCP'
  kernelSerial(`responses queued behind another one over ${over} reject with their connection`, async (t) => {
    const { path } = sampleFile(SIZE)
    const warnings: Error[] = []
    const warn = (warning: Error): number => warnings.push(warning)
    process.on('warning', warn)
    t.teardown(() => process.off('warning', warn))
    let requests = 0
    const send = (response: ServerResponse): Promise<unknown> => {
      requests += 1
      // When they are queued.
      if (requests === 12) setImmediate(setImmediate, () => response.req.socket.end(BAD_REQUEST))
      return sendfile(response, path, { end: true })
    }
    const { settled } = await download(t, { path, send, encrypted, requests: GET.repeat(12), garbage: '' })
    await until(() => settled.length === 12, 'every promise is settled')
    t.is(settled.filter((how) => how === 'ERR_SENDFILE_DESTINATION').length, encrypted ? 12 : 11)
    await until(() => descriptorsOf(path) === 0, 'every file is closed')
    t.deepEqual(warnings, [])
  })
}

kernelSerial('sendfile() to a response whose connection has been ended rejects before it opens the file', async (t) => {
  const { path } = sampleFile(SIZE)
  const send = async (response: ServerResponse): Promise<unknown> => {
    response.socket?.end(BAD_REQUEST)
    return sendfile(response, path, { end: true })
  }
  const { settled } = await download(t, { path, send })
  await until(() => settled.length === 1, 'the promise is settled')
  t.deepEqual(settled, ['ERR_SENDFILE_DESTINATION'])
  t.is(descriptorsOf(path), 0)
})
