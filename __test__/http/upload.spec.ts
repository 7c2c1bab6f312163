// Requests with a file as their body: before the socket exists, on a reused socket, and queued for one.
import { once } from 'node:events'
import http, { type ClientRequest, type IncomingMessage } from 'node:http'
import test, { type ExecutionContext } from 'ava'

import { sendfile, SendfileError, type SendfileResult } from '../../index.ts'
import { descriptorsSettleAt, restingDescriptors } from '../fixtures/descriptors.ts'
import { FALLBACK_CODES, IN_KERNEL, METHOD } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { type Served, serve } from '../fixtures/servers.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { stalled } from '../fixtures/stalled.ts'
import { warmEngine } from '../fixtures/warm-engine.ts'
import { within } from '../fixtures/within.ts'

const SIZE = 2_000_003
const file = sampleFile(SIZE)
/** More than the buffers of a connection hold. */
const large = sampleFile(32 << 20)

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  message.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(message, 'end')
  return Buffer.concat(chunks)
}

interface Upload {
  readonly path: string | undefined
  readonly length: string | undefined
  readonly encoding: string | undefined
  readonly digest: string
}

/** A server for uploads, and the bodies it received. */
async function receive(t: ExecutionContext): Promise<Served & { uploads: Upload[]; connections: () => number }> {
  const uploads: Upload[] = []
  let connections = 0
  const served = await serve(t, async (request, response) => {
    const { 'content-length': length, 'transfer-encoding': encoding } = request.headers
    uploads.push({ path: request.url, length, encoding, digest: sha256(await bodyOf(request)) })
    response.end('thanks')
  })
  served.server.on('connection', () => (connections += 1))
  return { ...served, uploads, connections: () => connections }
}

function put(t: ExecutionContext, port: number, path = '/', agent: http.Agent | false = false): ClientRequest {
  const request = http.request({ host: '127.0.0.1', port, path, method: 'PUT', agent })
  t.teardown(() => void request.destroy())
  return request
}

function keepAlive(t: ExecutionContext): http.Agent {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  return agent
}

/** Uploads by `send`, and reads the response to its end. */
async function upload(
  request: ClientRequest,
  send: (request: ClientRequest) => Promise<SendfileResult>,
): Promise<SendfileResult> {
  const answered = once(request, 'response')
  const result = await send(request)
  const [response] = await within(answered, 'the answer to the upload')
  await bodyOf(response)
  return result
}

function byKernel(t: ExecutionContext, ...results: SendfileResult[]): void {
  for (const result of results) {
    t.like(result, { method: METHOD, bytesSent: SIZE, offset: SIZE })
    t.deepEqual(
      result.fallbacks.map(({ code }) => code),
      FALLBACK_CODES,
    )
    t.is(result.syscalls > 0, IN_KERNEL)
  }
}

const digest = sha256(file.bytes)
const announced: Omit<Upload, 'path'> = { length: `${SIZE}`, encoding: undefined, digest }

test('end: true before the socket is connected announces the length', async (t) => {
  const { port, uploads } = await receive(t)
  const result = await upload(put(t, port), (request) => sendfile(request, file.path, { end: true }))
  t.deepEqual(uploads, [{ path: '/', ...announced }])
  byKernel(t, result)
})

test('an upload with its own Content-Length has bytes around the file', async (t) => {
  const { port, uploads } = await receive(t)
  const request = put(t, port)
  request.setHeader('Content-Length', SIZE + 8)
  const result = await upload(request, async () => {
    request.write('head')
    const sent = sendfile(request, file.path)
    request.end('tail')
    return sent
  })
  const whole = sha256(Buffer.from('head'), file.bytes, Buffer.from('tail'))
  t.deepEqual(uploads, [{ path: '/', length: `${SIZE + 8}`, encoding: undefined, digest: whole }])
  byKernel(t, result)
})

test('without a length the body is chunked', async (t) => {
  const { port, uploads } = await receive(t)
  const request = put(t, port)
  const result = await upload(request, async () => {
    request.write('head')
    const sent = await sendfile(request, file.path)
    request.end('tail')
    return sent
  })
  const whole = sha256(Buffer.from('head'), file.bytes, Buffer.from('tail'))
  t.deepEqual(uploads, [{ path: '/', length: undefined, encoding: 'chunked', digest: whole }])
  byKernel(t, result)
})

test('consecutive uploads use one keep-alive connection', async (t) => {
  const { port, uploads, connections } = await receive(t)
  const agent = keepAlive(t)
  const reused: boolean[] = []
  for (const path of ['/1', '/2', '/3']) {
    const request = put(t, port, path, agent)
    byKernel(t, await upload(request, () => sendfile(request, file.path, { end: true })))
    reused.push(request.reusedSocket)
  }
  t.deepEqual(uploads, [
    { path: '/1', ...announced },
    { path: '/2', ...announced },
    { path: '/3', ...announced },
  ])
  t.deepEqual(reused, [false, true, true])
  t.is(connections(), 1)
})

test('three uploads are queued for one connection', async (t) => {
  const { port, uploads, connections } = await receive(t)
  const agent = keepAlive(t)
  const results = await Promise.all(
    ['/1', '/2', '/3'].map((path) =>
      upload(put(t, port, path, agent), (request) => sendfile(request, file.path, { end: true })),
    ),
  )
  t.deepEqual(
    uploads.map(({ path, digest }) => ({ path, digest })),
    ['/1', '/2', '/3'].map((path) => ({ path, digest })),
  )
  t.is(connections(), 1)
  byKernel(t, ...results)
})

test('the upload continues while the response arrives', async (t) => {
  const { port } = await serve(t, (request, response) => {
    response.flushHeaders()
    request.pipe(response)
  })
  const request = put(t, port)
  const sent = sendfile(request, file.path, { end: true })
  const [response] = await once(request, 'response')
  t.is(sha256(await bodyOf(response)), digest)
  byKernel(t, await sent)
})

test.serial(
  'an upload rejects without an uncaught error if the server responds early and closes the connection',
  async (t) => {
    await warmEngine()
    const before = await restingDescriptors()
    const served = await serve(t, (request, response) => {
      response.writeHead(413, { Connection: 'close' })
      response.end('too large', () => request.socket.destroy())
    })
    for (const end of [true, false]) {
      const request = put(t, served.port)
      const closed = new Promise((resolve) => {
        request.once('close', resolve)
      })
      const error = await t.throwsAsync(within(sendfile(request, large.path, { end }), 'the end of the upload'), {
        instanceOf: SendfileError,
      })
      t.true(error.bytesSent < large.bytes.length)
      t.true(['EPIPE', 'ECONNRESET', 'ERR_SENDFILE_DESTINATION'].includes(error.code), error.code)
      await within(closed, "the request's 'close'")
    }
    await served.close()
    t.is(await descriptorsSettleAt(before), before)
  },
)

test.serial('an aborted upload destroys its request without an uncaught error', async (t) => {
  const { port } = await serve(t, () => {})
  const request = put(t, port)
  const controller = new AbortController()
  const closed = new Promise((resolve) => {
    request.once('close', resolve)
  })
  const sent = sendfile(request, large.path, { end: true, signal: controller.signal })
  const [socket] = await once(request, 'socket')
  await stalled(socket)
  controller.abort()
  const error = await t.throwsAsync(sent, { name: 'AbortError', code: 'ABORT_ERR', instanceOf: SendfileError })
  t.true(error.bytesSent > 0 && error.bytesSent < large.bytes.length)
  await within(closed, "the request's 'close'")
  t.true(request.destroyed)
})

test('an upload to a closed port rejects with the error of connect(2)', async (t) => {
  const served = await serve(t, () => {})
  await served.close()
  const request = put(t, served.port)
  const error = await t.throwsAsync(sendfile(request, file.path, { end: true }), { code: 'ECONNREFUSED' })
  t.like(error, { bytesSent: 0, offset: 0, syscall: 'connect' })
})

test('a request destroyed while queued rejects and does not affect other requests', async (t) => {
  const { port, uploads } = await receive(t)
  const agent = keepAlive(t)
  const [first, second, third] = ['/1', '/2', '/3'].map((path) => put(t, port, path, agent))
  const uploaded = upload(first!, (request) => sendfile(request, file.path, { end: true }))
  const queued = sendfile(second!, file.path, { end: true })
  const after = upload(third!, (request) => sendfile(request, file.path, { end: true }))
  second!.destroy()
  const error = await t.throwsAsync(within(queued, 'the destroyed request'), { instanceOf: SendfileError })
  t.like(error, { bytesSent: 0, offset: 0, code: IN_KERNEL ? 'ECONNRESET' : 'ERR_SENDFILE_DESTINATION' })
  byKernel(t, await uploaded, await after)
  t.deepEqual(
    uploads.map(({ path, digest }) => ({ path, digest })),
    ['/1', '/3'].map((path) => ({ path, digest })),
  )
})
