// Every way to interrupt a transfer to an http response, at every stage.
import { getEventListeners, once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import test, { type ExecutionContext } from 'ava'

import { sendfile } from '../../index.ts'
import { evict } from '../fixtures/cold-file.ts'
import { portOf } from '../fixtures/connected-pair.ts'
import { countDescriptors, descriptorsSettleAt, restingDescriptors } from '../fixtures/descriptors.ts'
import { type Ending, endingOf } from '../fixtures/ending.ts'
import { IN_KERNEL } from '../fixtures/executor.ts'
import { Received } from '../fixtures/received.ts'
import { sampleBytes, sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { stalled } from '../fixtures/stalled.ts'
import { warmEngine } from '../fixtures/warm-engine.ts'
import { within } from '../fixtures/within.ts'

/** More than the kernel accepts for a client that does not read. */
const BLOCKING = 8 << 20
/** More than the kernel accepts while a reading client is not scheduled. */
const file = sampleFile(48 << 20)
/** One chunk of JavaScript: a message accepts one before it returns false. */
const CHUNK = 64 * 1024

const MOMENTS = ['before', 'queued', 'writable', 'blocked', 'cold', 'after'] as const
type Moment = (typeof MOMENTS)[number]

interface Exchange {
  readonly server: http.Server
  readonly response: http.ServerResponse
  /** The server's end of the connection. */
  readonly near: net.Socket
  readonly far: net.Socket
  readonly received: Received
}

interface Way {
  readonly name: string
  act(exchange: Exchange, abort: AbortController): void
  /** The codes with which a running transfer may reject; `undefined`: it fulfills. */
  readonly codes: readonly (string | undefined)[]
  /** Whether the client receives a FIN after the last byte. */
  readonly inOrder: boolean
}

const CLOSED = ['ERR_SENDFILE_DESTINATION']

const WAYS: readonly Way[] = [
  { name: 'AbortSignal', act: (_, abort) => abort.abort(), codes: ['ABORT_ERR'], inOrder: true },
  { name: 'res.destroy()', act: ({ response }) => void response.destroy(), codes: CLOSED, inOrder: true },
  { name: 'resetAndDestroy()', act: ({ near }) => void near.resetAndDestroy(), codes: CLOSED, inOrder: false },
  {
    name: 'RST of the client',
    act: ({ far }) => void far.resetAndDestroy(),
    codes: ['EPIPE', 'ECONNRESET', ...CLOSED],
    inOrder: false,
  },
  {
    name: 'FIN of the client',
    act: ({ far }) => void far.end(),
    // http ends its socket then, after the bytes queued so far
    codes: IN_KERNEL ? [undefined] : [undefined, ...CLOSED],
    inOrder: true,
  },
  { name: 'server.close()', act: ({ server }) => void server.close(), codes: [undefined], inOrder: true },
  { name: 'closeAllConnections()', act: ({ server }) => server.closeAllConnections(), codes: CLOSED, inOrder: true },
]

test.before(warmEngine)

for (const way of WAYS) {
  for (const moment of MOMENTS) test.serial(`${way.name}, ${moment}`, (t) => cutOff(t, way, moment, false))
}
test.serial('AbortSignal, blocked, chunked', (t) => cutOff(t, WAYS[0]!, 'blocked', true))
test.serial('AbortSignal, queued, chunked', (t) => cutOff(t, WAYS[0]!, 'queued', true))

async function cutOff(t: ExecutionContext, way: Way, moment: Moment, chunked: boolean): Promise<void> {
  // A thread may still be opening the file of the previous test.
  const descriptors = IN_KERNEL ? countDescriptors() : await restingDescriptors()
  const exchange = await exchanged(t, moment !== 'queued' && moment !== 'blocked')
  const { response, near, far, received, server } = exchange
  const abort = new AbortController()
  const head = moment === 'queued' ? sampleBytes(BLOCKING, 2) : Buffer.from('what comes before')
  if (!chunked) response.setHeader('Content-Length', head.length + file.bytes.length)
  response.write(head)
  if (chunked) await new Promise(setImmediate) // from Node 26, the writes of one tick are one chunk
  const listeners = [...listenersOf(response), ...listenersOf(near)]

  if (moment === 'cold') evict(file.path)
  if (moment === 'before') way.act(exchange, abort)
  const ending = endingOf(sendfile(response, file.path, { signal: abort.signal }))
  if (moment === 'writable') await within(received.reaches(1 << 20), 'the first bytes')
  if (moment === 'queued' || moment === 'blocked') await stalled(near)
  if (moment === 'cold') await new Promise(setImmediate) // the message was corked for this tick
  if (moment === 'after') await ending
  if (moment !== 'before') way.act(exchange, abort)

  if (way.codes.includes(undefined)) far.resume()
  const end = await ending
  t.true((moment === 'after' ? [undefined] : way.codes).includes(end.code), `ended with ${end.code}`)
  assertAccount(t, end, moment)
  t.is(getEventListeners(abort.signal, 'abort').length, 0)
  far.resume()
  // JavaScript has opened the file in a later tick, or not yet.
  const untouched = moment === 'before' || (!IN_KERNEL && end.bytesSent === 0)
  const usable = way.name === 'AbortSignal' && untouched && !near.destroyed
  if (!near.destroyed) {
    if (moment !== 'queued') t.deepEqual([...listenersOf(response), ...listenersOf(near)], listeners)
    if (usable) response.end(file.bytes)
    else if (end.code === undefined) response.end()
  }
  if (end.code === undefined || usable) await within(closeOf(response), 'the end of the response')
  if (end.code === undefined || usable) far.end()
  await within(received.closed, 'the end of the connection')

  const sent = usable ? file.bytes : file.bytes.subarray(0, end.bytesSent)
  const announced = chunked && IN_KERNEL ? `${file.bytes.length.toString(16)}\r\n` : ''
  const copied = chunked && !IN_KERNEL ? Buffer.concat(piecesOf(sent).map(chunkOf)) : sent
  const whole = [chunked ? chunkOf(head) : head, Buffer.from(moment === 'queued' ? '' : announced), copied]
  // Bytes queued before it are lost with the connection, as with Node's own writes, unless only the transfer is
  // aborted. So are bytes written by JavaScript.
  const cut =
    end.code !== undefined && !usable && (IN_KERNEL ? moment === 'queued' && way.name !== 'AbortSignal' : true)
  if (way.inOrder && sent.length > 0 && !cut) t.true(received.length > head.length)
  const strict = { ...way, inOrder: way.inOrder && !cut }
  assertReceived(t, strict, Buffer.concat(whole), received, moment === 'queued' ? announced : '')
  if (!near.destroyed) await within(closeOf(near), "the end of the server's socket")
  server.close()
  t.is(await descriptorsSettleAt(descriptors), descriptors)
}

function assertAccount(t: ExecutionContext, { code, bytesSent, offset }: Ending, moment: Moment): void {
  t.is(offset, bytesSent)
  if (code === undefined) t.is(bytesSent, file.bytes.length)
  else if (moment === 'before') t.is(bytesSent, 0)
  else if (moment === 'queued') t.true(bytesSent <= (IN_KERNEL ? 0 : CHUNK))
  else t.true(bytesSent < file.bytes.length)
  if (moment === 'writable' || moment === 'blocked') t.true(bytesSent > 0)
}

/** The size of a chunk may have been sent before its content was aborted. */
function assertReceived(t: ExecutionContext, { inOrder }: Way, whole: Buffer, got: Received, announced: string): void {
  const { bytes } = got
  const headers = bytes.indexOf('\r\n\r\n')
  if (headers === -1) {
    t.is(bytes.length, 0)
    return
  }
  let body = bytes.subarray(headers + 4)
  if (announced !== '' && body.length > whole.length) {
    t.is(body.subarray(whole.length).toString('latin1'), announced)
    body = body.subarray(0, whole.length)
  }
  const expected = inOrder && got.ended ? whole : whole.subarray(0, body.length)
  t.is(sha256(body), sha256(expected), `${body.length} bytes of ${whole.length}`)
  if (inOrder) t.true(got.ended)
}

function chunkOf(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')])
}

function piecesOf(bytes: Buffer): Buffer[] {
  const count = Math.ceil(bytes.length / CHUNK)
  return Array.from({ length: count }, (_, index) => bytes.subarray(index * CHUNK, (index + 1) * CHUNK))
}

/** A request that has arrived at its server. */
async function exchanged(t: ExecutionContext, reading: boolean): Promise<Exchange> {
  const server = http.createServer()
  const port = await portOf(server)
  const far = new net.Socket()
  if (!reading) far.pause()
  const received = new Received(far)
  far.connect(port, '127.0.0.1')
  far.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  const [, response] = await once(server, 'request')
  if (!(response instanceof http.ServerResponse) || response.socket === null) throw new TypeError('no response')
  const near = response.socket
  t.teardown(() => {
    near.destroy()
    far.destroy()
    server.close()
  })
  return { server, response, near, far, received }
}

/** How many listeners each event has. */
function listenersOf(emitter: net.Socket | http.ServerResponse): string[] {
  return emitter.eventNames().map((name) => `${String(name)}: ${emitter.listenerCount(name)}`)
}

/** `once` would reject with an 'error' that comes before. */
function closeOf(emitter: net.Socket | http.ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    // The connection may have ended before the promise of the transfer had settled.
    if (emitter.closed) return resolve()
    emitter.once('close', () => resolve())
  })
}
