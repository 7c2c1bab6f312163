// Clients that are half closed, that send garbage while they download, or whose body is not read.
import http, { type ServerResponse } from 'node:http'
import net from 'node:net'
import test, { type ExecutionContext } from 'ava'

import { createReadStream, sendfile } from '../../index.ts'
import { descriptorsOf } from '../fixtures/descriptors.ts'
import { kernelSerial } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { listen } from '../fixtures/servers.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { until, within } from '../fixtures/within.ts'

const SIZE = 16 << 20
const file = sampleFile(SIZE)
const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'

/** Everything that a connection receives until its peer ends or resets it. */
async function received(socket: net.Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  const over = new Promise<void>((resolve) => {
    for (const event of ['end', 'error', 'close']) socket.on(event, () => resolve())
  })
  await within(over, 'the end of the answer')
  socket.destroy()
  return Buffer.concat(chunks)
}

const bodyOf = (answer: Buffer): Buffer => answer.subarray(answer.indexOf('\r\n\r\n') + 4)

interface Served {
  readonly socket: net.Socket
  readonly promises: Promise<unknown>[]
}

async function connectTo(
  t: ExecutionContext,
  options: http.ServerOptions & { httpAllowHalfOpen?: boolean },
  send: (response: ServerResponse) => Promise<unknown> | void,
): Promise<Served> {
  const promises: Promise<unknown>[] = []
  const server = http.createServer(options, (_request, response) => {
    response.setHeader('Content-Length', SIZE)
    const sent = send(response)
    if (sent !== undefined)
      promises.push(
        sent.then(
          () => 'sent',
          (error: unknown) => error,
        ),
      )
  })
  Reflect.set(server, 'httpAllowHalfOpen', options.httpAllowHalfOpen === true) // neither an option nor in the types
  server.on('clientError', (_error, socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  const port = await listen(t, server)
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  t.teardown(() => {
    socket.destroy()
    server.closeAllConnections()
  })
  return { socket, promises }
}

const senders: Readonly<Record<string, (response: ServerResponse) => Promise<unknown> | void>> = {
  'sendfile() with end': (response) => sendfile(response, file.path, { end: true }),
  'a stream': (response) => void createReadStream(file.path, { closeWithDestination: true }).pipe(response),
}

for (const [name, send] of Object.entries(senders)) {
  test.serial(`a half-closed client receives the whole file by ${name} from a server with allowHalfOpen`, async (t) => {
    const { socket, promises } = await connectTo(t, { httpAllowHalfOpen: true }, send)
    socket.end(GET)
    const body = bodyOf(await received(socket))
    t.is(sha256(body), sha256(file.bytes))
    t.true((await Promise.all(promises)).every((result) => result === 'sent'))
    await until(() => descriptorsOf(file.path) === 0, 'the file is closed')
  })

  kernelSerial(
    `a half-closed client leaves nothing pending or open by ${name} on a server without allowHalfOpen`,
    async (t) => {
      const { socket, promises } = await connectTo(t, {}, send)
      socket.end(GET)
      const body = bodyOf(await received(socket))
      t.is(sha256(body), sha256(file.bytes.subarray(0, body.length)))
      const [result] = await within(Promise.all(promises), 'the promise')
      if (result === 'sent') t.is(body.length, SIZE)
      await until(() => descriptorsOf(file.path) === 0, 'the file is closed')
    },
  )
}

kernelSerial('the response of clientError to garbage during a download by sendfile() follows the file', async (t) => {
  const { socket, promises } = await connectTo(t, {}, (response) => sendfile(response, file.path, { end: true }))
  socket.write(GET.replace('Connection: close\r\n', ''))
  socket.once('data', () => socket.write('GARBAGE\r\n\r\n'))
  const rest = bodyOf(await received(socket))
  t.is(sha256(rest.subarray(0, SIZE)), sha256(file.bytes))
  t.is(rest.subarray(SIZE).toString(), 'HTTP/1.1 400 Bad Request\r\n\r\n')
  await within(Promise.all(promises), 'the promise')
})

kernelSerial("with until: 'acknowledged', the response to an unread body arrives to its last byte", async (t) => {
  const answer = (response: ServerResponse): Promise<unknown> => {
    response.setHeader('Connection', 'close')
    return sendfile(response, file.path, { end: true, until: 'acknowledged' })
  }
  const { socket, promises } = await connectTo(t, {}, answer)
  const length = 64 << 20
  socket.write(`POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\n\r\n`)
  socket.write(Buffer.alloc(256 << 10)) // the kernel accepts it, so that the client only reads from then on
  t.is(sha256(bodyOf(await received(socket))), sha256(file.bytes))
  t.deepEqual(await within(Promise.all(promises), 'the promise'), ['sent'])
})
