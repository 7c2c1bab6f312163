// Every way to interrupt a transfer to a socket, at every stage.
import { getEventListeners } from 'node:events'
import type net from 'node:net'
import test, { type ExecutionContext } from 'ava'

import { sendfile } from '../../index.ts'
import { evict } from '../fixtures/cold-file.ts'
import { connectedPair, type Pair } from '../fixtures/connected-pair.ts'
import { countDescriptors, descriptorsSettleAt, restingDescriptors } from '../fixtures/descriptors.ts'
import { type Ending, endingOf } from '../fixtures/ending.ts'
import { IN_KERNEL } from '../fixtures/executor.ts'
import { sampleBytes, sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { stalled } from '../fixtures/stalled.ts'
import { warmEngine } from '../fixtures/warm-engine.ts'
import { within } from '../fixtures/within.ts'

/** More than the kernel accepts for a client that does not read. */
const BLOCKING = 8 << 20
/** More than the kernel accepts while a reading client is not scheduled. */
const file = sampleFile(48 << 20)
const TAIL = Buffer.from('what comes after')

const MOMENTS = ['before', 'queued', 'writable', 'blocked', 'cold', 'after'] as const
type Moment = (typeof MOMENTS)[number]

interface Way {
  readonly name: string
  act(pair: Pair, abort: AbortController): void
  /** The codes with which a running transfer may reject; `undefined`: it fulfills. */
  readonly codes: readonly (string | undefined)[]
  /** The end of the client's connection. */
  readonly client: 'in order' | 'reset' | 'its own doing'
}

const LOST = ['EPIPE', 'ECONNRESET']

const WAYS: readonly Way[] = [
  { name: 'AbortSignal', act: (_, abort) => abort.abort(), codes: ['ABORT_ERR'], client: 'in order' },
  { name: 'destroy()', act: ({ near }) => near.destroy(), codes: ['ERR_SENDFILE_DESTINATION'], client: 'in order' },
  {
    name: 'resetAndDestroy()',
    act: ({ near }) => near.resetAndDestroy(),
    codes: ['ERR_SENDFILE_DESTINATION'],
    client: 'reset',
  },
  { name: 'FIN of the client', act: ({ far }) => far.end(), codes: [undefined], client: 'in order' },
  { name: 'RST of the client', act: ({ far }) => far.resetAndDestroy(), codes: LOST, client: 'its own doing' },
  { name: 'server.close()', act: ({ server }) => server.close(), codes: [undefined], client: 'in order' },
]

test.before(warmEngine)

for (const way of WAYS) {
  for (const moment of MOMENTS) test.serial(`${way.name}, ${moment}`, (t) => cutOff(t, way, moment))
}

async function cutOff(t: ExecutionContext, way: Way, moment: Moment): Promise<void> {
  // A thread may still be opening the file of the previous test.
  const descriptors = IN_KERNEL ? countDescriptors() : await restingDescriptors()
  const reading = moment !== 'queued' && moment !== 'blocked'
  const pair = await connectedPair(t, { reading, allowHalfOpen: way.client === 'reset' })
  const { near, far, received } = pair
  // A reader cannot always distinguish a reset from an end, a writer can.
  if (way.client === 'reset') far.once('end', () => far.write('?'))
  const abort = new AbortController()
  const head = moment === 'queued' ? sampleBytes(BLOCKING, 2) : Buffer.from('what comes before')
  near.write(head)
  if (moment === 'after') near.on('error', () => {}) // then a failure concerns only the caller
  const listeners = listenersOf(near)

  const act = (): void => way.act(pair, abort)
  if (moment === 'cold') evict(file.path)
  if (moment === 'before') act()
  const ending = endingOf(sendfile(near, file.path, { signal: abort.signal }))
  if (moment === 'writable') await within(received.reaches(head.length + (1 << 20)), 'the first bytes')
  if (moment === 'blocked') await stalled(near)
  if (moment === 'after') await ending
  if (moment !== 'before') act()

  const goesOn = way.codes.includes(undefined)
  if (goesOn) far.resume()
  const end = await ending
  const codes = moment === 'after' ? [undefined] : way.codes
  t.true(codes.includes(end.code), `ended with ${end.code}`)
  t.deepEqual(listenersOf(near), listeners)
  t.is(getEventListeners(abort.signal, 'abort').length, 0)
  far.resume()
  const tail = near.writable ? TAIL : Buffer.alloc(0)
  if (near.writable) near.end(TAIL)
  await within(received.closed, 'the end of the connection')
  assertAccount(t, end, moment)
  const whole = Buffer.concat([head, file.bytes.subarray(0, end.bytesSent), tail])
  // Bytes queued in a stream are lost with the socket, as with Node's own writes: copied bytes are queued there.
  const waits = moment === 'queued' || (!IN_KERNEL && end.code !== undefined)
  const cut = waits && way.name === 'destroy()' ? received.length : whole.length
  assertReceived(t, way, whole.subarray(0, cut), pair)
  pair.close()
  t.is(await descriptorsSettleAt(descriptors), descriptors)
}

function assertAccount(t: ExecutionContext, { code, bytesSent, offset }: Ending, moment: Moment): void {
  t.is(offset, bytesSent)
  if (code === undefined) t.is(bytesSent, file.bytes.length)
  else if (moment === 'before' || moment === 'queued') t.is(bytesSent, 0)
  else t.true(bytesSent < file.bytes.length)
  if (moment === 'writable' || moment === 'blocked') t.true(bytesSent > 0)
}

function assertReceived(t: ExecutionContext, { client }: Way, whole: Buffer, { received }: Pair): void {
  const got = received.bytes
  const expected = client === 'in order' ? whole : whole.subarray(0, got.length)
  t.is(sha256(got), sha256(expected), `${got.length} bytes of ${whole.length}`)
  if (client === 'reset') t.true(LOST.includes(received.errorCode ?? 'none'))
  if (client === 'in order') t.true(received.ended)
}

/** How many listeners each event of the socket has. */
function listenersOf(socket: net.Socket): Record<string, number> {
  return Object.fromEntries(socket.eventNames().map((name) => [String(name), socket.listenerCount(name)]))
}
