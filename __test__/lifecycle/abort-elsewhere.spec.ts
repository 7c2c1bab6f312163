// Aborts while the bytes are not on a socket yet: pipelined responses, uploads, other Writables.
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { Writable } from 'node:stream'
import test, { type ExecutionContext } from 'ava'

import { sendfile } from '../../index.ts'
import { portOf } from '../fixtures/connected-pair.ts'
import { endingOf } from '../fixtures/ending.ts'
import { IN_KERNEL } from '../fixtures/executor.ts'
import { HttpClient } from '../fixtures/http-client.ts'
import { Received } from '../fixtures/received.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { stalled } from '../fixtures/stalled.ts'
import { within } from '../fixtures/within.ts'

const file = sampleFile(16 << 20)
const CUT_OFF = { AbortSignal: 'ABORT_ERR', 'destroy()': 'ERR_SENDFILE_DESTINATION' } as const
const WAYS = ['AbortSignal', 'destroy()'] as const

/* ------------------------------------------------------------ pipelined responses */

for (const way of WAYS) {
  test(`${way}: a pipelined response is aborted, the one before it arrives complete`, async (t) => {
    const server = http.createServer()
    const client = await HttpClient.connect(await portOf(server))
    t.teardown(() => server.close())
    t.teardown(() => client.close())
    const responses: http.ServerResponse[] = []
    const bothAsked = new Promise<void>((resolve) => {
      server.on('request', (_, response) => {
        if (responses.push(response.setHeader('Content-Length', file.bytes.length)) === 2) resolve()
      })
    })
    const [answer, lost] = client.pipeline(['/first', '/second'])
    await within(bothAsked, 'the second request')
    const [first, second] = responses

    const abort = new AbortController()
    const cutOff = endingOf(sendfile(second!, file.path, { signal: abort.signal }))
    if (way === 'AbortSignal') abort.abort()
    else second!.destroy()
    const whole = endingOf(sendfile(first!, file.path, { end: true }))
    const { body } = await within(answer!, 'the first answer')
    t.is(sha256(body), sha256(file.bytes))
    t.deepEqual(await whole, { code: undefined, bytesSent: file.bytes.length, offset: file.bytes.length })
    t.deepEqual(await cutOff, { code: CUT_OFF[way], bytesSent: 0, offset: 0 })
    if (!IN_KERNEL) second!.destroy() // its file was not open yet, so that the handler could still respond
    await t.throwsAsync(within(lost!, 'the second answer'), { name: 'Unanswered', message: /after 0 bytes/ })
  })
}

/* ------------------------------------------------------------ uploads */

for (const way of WAYS) {
  test(`${way}: an upload is aborted before its request has a socket`, async (t) => {
    const { request, requests } = await upload(t)
    const closed = closeOf(request)
    const abort = new AbortController()
    const ending = endingOf(sendfile(request, file.path, { signal: abort.signal }))
    if (way === 'AbortSignal') abort.abort()
    else request.destroy()
    // Node's error for a request that is destroyed without a response: socket hang up
    const code = way === 'destroy()' ? 'ECONNRESET' : CUT_OFF[way]
    t.deepEqual(await ending, { code, bytesSent: 0, offset: 0 })
    if (!IN_KERNEL) request.destroy() // its file was not open yet: it could still be sent
    await within(closed, 'the end of the request')
    for (const { socket, received } of requests) {
      socket.resume()
      await within(received.closed, 'the end of the connection')
      t.true(received.bytes.indexOf('\r\n\r\n') + 4 >= received.length, 'no byte of the body')
    }
  })

  test(`${way}: an upload to a server that does not read is aborted`, async (t) => {
    const { request, accepted } = await upload(t)
    const abort = new AbortController()
    const ending = endingOf(sendfile(request, file.path, { signal: abort.signal }))
    const [near] = await once(request, 'socket')
    const { socket, received } = await within(accepted, 'a connection')
    await stalled(near)
    if (way === 'AbortSignal') abort.abort()
    else request.destroy()
    const { code, bytesSent } = await ending
    // Node's error for a request that is destroyed without a response, emitted before that of the socket
    t.is(code, way === 'destroy()' && !IN_KERNEL ? 'ECONNRESET' : CUT_OFF[way])
    socket.resume()
    await within(received.closed, 'the end of the connection')
    const body = received.bytes.subarray(received.bytes.indexOf('\r\n\r\n') + 4)
    t.true(bytesSent > 0 && bytesSent < file.bytes.length)
    // bytes queued in a stream are lost with it
    if (IN_KERNEL) t.is(body.length, bytesSent)
    t.true(body.length > 0 && body.length <= bytesSent)
    t.is(sha256(body), sha256(file.bytes.subarray(0, body.length)))
    t.true(request.destroyed)
  })
}

interface Upload {
  readonly request: http.ClientRequest
  readonly accepted: Promise<Connection>
  readonly requests: readonly Connection[]
}

interface Connection {
  readonly socket: net.Socket
  readonly received: Received
}

/** A POST with Content-Length, to a server that reads nothing until its socket is resumed. */
async function upload(t: ExecutionContext): Promise<Upload> {
  const requests: Connection[] = []
  const server = net.createServer()
  const accepted = new Promise<Connection>((resolve) => {
    server.on('connection', (socket: net.Socket) => {
      socket.pause()
      const connection = { socket, received: new Received(socket) }
      requests.push(connection)
      resolve(connection)
      t.teardown(() => void socket.destroy())
    })
  })
  const port = await portOf(server)
  t.teardown(() => server.close())
  const headers = { 'Content-Length': file.bytes.length }
  const request = http.request({ port, host: '127.0.0.1', method: 'POST', headers })
  request.on('error', () => {}) // an unanswered request emits 'error'
  t.teardown(() => void request.destroy())
  return { request, accepted, requests }
}

/* ------------------------------------------------------------ other Writables */

for (const way of WAYS) {
  test(`${way}: a transfer to a Writable that never drains is aborted`, async (t) => {
    const chunks: Buffer[] = []
    let entered = (): void => {}
    const waiting = new Promise<void>((resolve) => {
      entered = resolve
    })
    const sink = new Writable({
      write(chunk: Buffer) {
        chunks.push(chunk)
        entered()
      },
    })
    const abort = new AbortController()
    const ending = endingOf(sendfile(sink, file.path, { signal: abort.signal }))
    await within(waiting, 'the first chunk')
    if (way === 'AbortSignal') abort.abort()
    else sink.destroy()
    const { code, bytesSent } = await ending
    t.is(code, CUT_OFF[way])
    t.is(sha256(...chunks), sha256(file.bytes.subarray(0, bytesSent)))
    t.deepEqual(sink.eventNames(), [])
  })
}

/** `once` would reject with an 'error' that comes before. */
function closeOf(request: http.ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    request.once('close', () => resolve())
  })
}
