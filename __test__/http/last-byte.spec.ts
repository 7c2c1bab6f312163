// A client that disconnects after the last byte has everything: the response finishes whether JavaScript is notified
// first of the end of the transfer or of the connection.
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { Worker } from 'node:worker_threads'
import type { ExecutionContext } from 'ava'

import { createReadStream, sendfile } from '../../index.ts'
import { descriptorsOf } from '../fixtures/descriptors.ts'
import { kernelSerial } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { listen } from '../fixtures/servers.ts'
import { until, within } from '../fixtures/within.ts'

/** One segment, and more than the kernel accepts at once. */
const SIZE = 200_000
/** Read, and written together with the headers. */
const SMALL = 4000
const ROUNDS = 60

type Leaving = 'close' | 'reset'

/** Resolves when a client has requested the file that often and disconnected each time with the last byte. */
async function leaveOften(port: number, how: Leaving, length = SIZE): Promise<void> {
  const script = new URL('../fixtures/children/leaving-client.mjs', import.meta.url)
  const worker = new Worker(script, { workerData: { port, how, length, rounds: ROUNDS } })
  await within(once(worker, 'exit'), 'the client', 30_000)
}

const senders: Readonly<Record<string, (response: http.ServerResponse, path: string) => void>> = {
  'a stream that knows its end': (response, path) =>
    void createReadStream(path, { start: 0, end: SIZE - 1 }).pipe(response),
  'a stream to the end of the file': (response, path) => void createReadStream(path).pipe(response),
  'sendfile() with end': (response, path) => void sendfile(response, path, { end: true }).catch(() => {}),
}

/** How often the events of a response occurred in each order. */
async function eventsOf(
  t: ExecutionContext,
  how: Leaving,
  send: (response: http.ServerResponse) => void,
  { size = SIZE, framing = 'length' }: { readonly size?: number; readonly framing?: 'length' | 'chunked' } = {},
): Promise<object> {
  const orders: Record<string, number> = {}
  let closed = 0
  const server = http.createServer((_request, response) => {
    const seen: string[] = []
    response.on('finish', () => seen.push('finish'))
    response.on('close', () => {
      const order = [...seen, 'close'].join()
      orders[order] = (orders[order] ?? 0) + 1
      closed += 1
    })
    if (framing === 'length') response.setHeader('Content-Length', size)
    send(response)
  })
  server.on('clientError', (_error, socket) => void socket.destroy())
  await leaveOften(await listen(t, server), how, size)
  await until(() => closed === ROUNDS, "'close' of every response")
  return orders
}

for (const [name, send] of Object.entries(senders)) {
  for (const how of ['close', 'reset'] as const) {
    kernelSerial(`${name} finishes for a client that disconnects with the last byte by ${how}`, async (t) => {
      const file = sampleFile(SIZE)
      t.deepEqual(await eventsOf(t, how, (response) => send(response, file.path)), { 'finish,close': ROUNDS })
      await until(() => descriptorsOf(file.path) === 0, 'the file is closed')
      t.pass()
    })
  }
}

for (const size of [SMALL, SIZE]) {
  for (const how of ['close', 'reset'] as const) {
    const title = `a chunked message of ${size} bytes is finished for a client that leaves with the last byte by ${how}`
    kernelSerial(title, async (t) => {
      const file = sampleFile(size)
      const send = (response: http.ServerResponse): void => void createReadStream(file.path).pipe(response)
      t.deepEqual(await eventsOf(t, how, send, { size, framing: 'chunked' }), { 'finish,close': ROUNDS })
      await until(() => descriptorsOf(file.path) === 0, 'the file is closed')
    })
  }
}

for (const how of ['close', 'reset'] as const) {
  kernelSerial(`a small file finishes for a client that disconnects with the last byte by ${how}`, async (t) => {
    const file = sampleFile(SMALL)
    const send = (response: http.ServerResponse): void => void createReadStream(file.path).pipe(response)
    t.deepEqual(await eventsOf(t, how, send, { size: SMALL }), { 'finish,close': ROUNDS })
  })
}

for (const how of ['close', 'reset'] as const) {
  kernelSerial(
    `a stream to a socket ends and closes its file if the peer disconnects with the last byte by ${how}`,
    async (t) => {
      const file = sampleFile(SIZE)
      let ended = 0
      const server = net.createServer((socket) => {
        socket.on('error', () => {})
        socket.write('a bare socket\r\n\r\n')
        const stream = createReadStream(file.path)
        stream.on('end', () => (ended += 1))
        stream.pipe(socket)
      })
      await leaveOften(await listen(t, server), how)
      await until(() => ended === ROUNDS && descriptorsOf(file.path) === 0, 'every stream has ended')
      t.is(ended, ROUNDS)
    },
  )
}
