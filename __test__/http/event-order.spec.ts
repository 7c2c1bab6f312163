// Listeners of a response must not be able to tell how its bytes were sent: the same scenario runs with a stock stream
// and with sendfile(), and all observations are compared.
import { createReadStream } from 'node:fs'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import test, { type ExecutionContext } from 'ava'

import { sendfile } from '../../index.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { serve } from '../fixtures/servers.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { within } from '../fixtures/within.ts'

const SIZE = 3 << 20
const file = sampleFile(SIZE)
/** More than the buffers of a connection hold. */
const large = sampleFile(32 << 20)

/** Sends a whole file and ends the response. */
type Send = (response: ServerResponse, path: string) => void

const stock: Send = (response, path) => {
  createReadStream(path).pipe(response)
}
const ours: Send = (response, path) => {
  sendfile(response, path, { end: true }).catch(() => {}) // the state of the response is compared
}

/** The visible state of a response after its end. */
function stateOf(response: ServerResponse): Record<string, unknown> {
  const { writableFinished, writableEnded, writableLength, finished, destroyed, closed } = response
  const own = Object.getOwnPropertyNames(response).filter((name) => name === 'write' || name === 'end')
  return { writableFinished, writableEnded, writableLength, finished, destroyed, closed, own }
}

/** The same of a connection that waits for a request. */
function idleStateOf(socket: Socket): Record<string, unknown> {
  const { bytesWritten, writableLength, destroyed } = socket
  const listeners = ['close', 'error', 'drain', 'end', 'timeout'].map((name) => socket.listenerCount(name))
  return { bytesWritten, writableLength, destroyed, listeners }
}

/** Records events by name, as they are emitted. */
function record(seen: string[], request: IncomingMessage, response: ServerResponse): void {
  const listenTo = (name: string, emitter: NodeJS.EventEmitter, events: readonly string[]): void => {
    for (const event of events) emitter.on(event, () => seen.push(`${name} ${event}`))
  }
  listenTo('response', response, ['prefinish', 'finish', 'close', 'error', 'timeout'])
  listenTo('request', request, ['end', 'close', 'error', 'aborted'])
  listenTo('socket', request.socket, ['end', 'finish', 'close', 'error', 'timeout'])
}

interface Observed {
  readonly seen: string[]
  readonly states: Record<string, unknown>[]
  readonly bodies: string[]
}

/** Three requests on one connection, consecutive or pipelined, then its end. */
async function wholeConnection(t: ExecutionContext, send: Send, pipelined: boolean): Promise<Observed> {
  const observed: Observed = { seen: [], states: [], bodies: [] }
  const closes: Promise<unknown>[] = []
  const { server, connect } = await serve(t, (request, response) => {
    if (closes.length === 0) record(observed.seen, request, response)
    const closed = once(response, 'close').then(() => observed.states.push(stateOf(response)))
    closes.push(closed)
    response.setHeader('Content-Length', SIZE)
    response.setHeader('Date', 'always')
    send(response, file.path)
  })
  const connected = once(server, 'connection')
  const client = await connect()
  const [accepted] = await connected
  const paths = ['/1', '/2', '/3']
  if (pipelined) {
    for (const { body } of await Promise.all(client.pipeline(paths))) observed.bodies.push(sha256(body))
  } else {
    for (const path of paths) observed.bodies.push(sha256((await client.request(path)).body))
  }
  await Promise.all(closes)
  observed.states.push(idleStateOf(accepted))
  const closed = once(accepted, 'close')
  client.socket.end()
  await within(closed, 'the end of the connection')
  observed.seen.push(`socket bytesWritten ${accepted.bytesWritten}`)
  return observed
}

/** A client that disconnects in the middle, or a handler that destroys the response. */
async function brokenOff(t: ExecutionContext, send: Send, by: 'client' | 'response'): Promise<string[]> {
  const seen: string[] = []
  const responses: ServerResponse[] = []
  const { server, connect } = await serve(t, (request, response) => {
    record(seen, request, response)
    responses.push(response)
    response.once('close', () => seen.push(`finished ${response.writableFinished}`))
    response.setHeader('Content-Length', large.bytes.length)
    send(response, large.path)
  })
  const connected = once(server, 'connection')
  const client = await connect()
  const [accepted] = await connected
  const closed = new Promise((resolve) => {
    accepted.once('close', () => setImmediate(resolve))
  })
  const answer = t.throwsAsync(client.request('/'), { name: 'Unanswered' })
  await once(client.socket, 'data')
  if (by === 'client') client.socket.destroy()
  else responses[0]!.destroy()
  await answer
  await within(closed, 'the end of the connection')
  return seen
}

/**
 * A RST leaves its error on the socket for one system call. If that is sendfile(2) on its thread, Node's read sees the
 * end of the stream before the error.
 */
function withoutEnd(events: readonly string[]): string[] {
  return events.filter((event) => event !== 'socket end')
}

for (const pipelined of [false, true]) {
  const how = pipelined ? 'pipelined' : 'one after the other'
  test(`events, byte counts and state equal those of a stock stream with requests ${how}`, async (t) => {
    const expected = await wholeConnection(t, stock, pipelined)
    const observed = await wholeConnection(t, ours, pipelined)
    t.deepEqual(expected.bodies, [sha256(file.bytes), sha256(file.bytes), sha256(file.bytes)])
    t.true(expected.seen.includes('response finish') && expected.seen.includes('request close'))
    t.deepEqual(observed, expected)
  })
}

for (const by of ['client', 'response'] as const) {
  test(`events equal those of a stock stream when the ${by} disconnects`, async (t) => {
    const expected = await brokenOff(t, stock, by)
    t.true(expected.includes('response close') && expected.includes('finished false'))
    t.deepEqual(withoutEnd(await brokenOff(t, ours, by)), withoutEnd(expected))
  })
}

test('write callbacks and finish keep their order around the file', async (t) => {
  const observe = async (send: (response: ServerResponse, done: () => void) => void): Promise<string[]> => {
    const seen: string[] = []
    const { connect, answered } = await serve(t, async (_, response) => {
      const finished = once(response, 'finish').then(() => seen.push('finish'))
      response.setHeader('Content-Length', 4 + SIZE + 4)
      response.write('head', () => seen.push('head written'))
      await new Promise<void>((resolve) => {
        send(response, () => {
          seen.push('file written')
          resolve()
        })
      })
      response.write('tail', () => seen.push('tail written'))
      response.end(() => seen.push('end called back'))
      await finished
    })
    const { body } = await (await connect()).request('/')
    t.is(sha256(body), sha256(Buffer.from('head'), file.bytes, Buffer.from('tail')))
    await answered()
    return seen
  }
  const expected = await observe((response, done) => void response.write(file.bytes, done))
  t.is(expected.length, 5)
  t.deepEqual(await observe((response, done) => void sendfile(response, file.path).then(done)), expected)
})
