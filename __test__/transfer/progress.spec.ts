import { AsyncLocalStorage } from 'node:async_hooks'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { Writable } from 'node:stream'

import test from 'ava'

import { type Progress, sendfile } from '../../index.ts'
import { badDestination } from '../../lib/errors/sendfile-error.ts'
import { connectedPair } from '../fixtures/connected-pair.ts'
import { countDescriptors, descriptorsSettleAt, restingDescriptors } from '../fixtures/descriptors.ts'
import { OwnDescriptor } from '../fixtures/own-descriptor.ts'
import { sampleDirectory, sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { warmEngine } from '../fixtures/warm-engine.ts'
import { within } from '../fixtures/within.ts'

const large = sampleFile(12 * 2 ** 20)
const small = sampleFile(1000)
const TAIL = Buffer.from('the destination goes on')

test.before(async () => {
  await warmEngine()
  await restingDescriptors()
})

/** Properties that the package might add to the value. */
function ownOf(value: unknown): Record<string, unknown> {
  const { bytesSent, offset, code }: Record<string, unknown> = { ...Object(value) }
  return { bytesSent, offset, code }
}

/** The rejection value of `promise`. */
function rejection(promise: Promise<unknown>): Promise<{ readonly reason: unknown }> {
  return within(
    promise.then(
      () => ({ reason: undefined }),
      (reason: unknown) => ({ reason }),
    ),
    'the rejection',
  )
}

for (const [name, thrown] of [
  ['an error', new RangeError('no more, please')],
  ['an object that is not an error', { stop: true }],
  ['a frozen error', Object.freeze(new Error('not to be changed'))],
  ['an error of another transfer', badDestination('the other one')],
  ['null', null],
  ['a thenable', Promise.resolve('never asked for')],
] as const) {
  const unchanged = ownOf(thrown)
  const onProgress = (): void => {
    throw thrown
  }

  test.serial(`the transfer to a socket rejects with ${name} thrown by onProgress`, async (t) => {
    const { near, received } = await connectedPair(t)
    const before = countDescriptors()
    t.is((await rejection(sendfile(near, large.path, { onProgress, progressInterval: 1 }))).reason, thrown)
    t.deepEqual(ownOf(thrown), unchanged)
    t.is(await descriptorsSettleAt(before), before)
    near.end(TAIL)
    await within(received.closed, 'the end')
    const sent = received.bytes.subarray(0, -TAIL.length)
    t.is(sha256(received.bytes), sha256(large.bytes.subarray(0, sent.length), TAIL))
  })

  test.serial(`the transfer rejects with ${name} thrown by the last onProgress`, async (t) => {
    const { near, received } = await connectedPair(t)
    t.is((await rejection(sendfile(near, small.path, { onProgress, progressInterval: 10_000 }))).reason, thrown)
    t.deepEqual(ownOf(thrown), unchanged)
    await sendfile(near, small.path)
    near.end(TAIL)
    await within(received.closed, 'the end')
    t.is(sha256(received.bytes), sha256(small.bytes, small.bytes, TAIL))
  })

  test.serial(`the transfer to a Writable or file rejects with ${name} thrown by onProgress`, async (t) => {
    const before = countDescriptors()
    const chunks: Buffer[] = []
    const write = (chunk: Buffer, _encoding: string, callback: () => void): void => {
      chunks.push(chunk)
      setTimeout(callback, 2)
    }
    const writable = new Writable({ highWaterMark: 1, write })
    t.is((await rejection(sendfile(writable, large.path, { onProgress, progressInterval: 1 }))).reason, thrown)
    t.deepEqual(ownOf(thrown), unchanged)
    await new Promise((resolve) => {
      writable.end(TAIL, () => resolve(undefined))
    })
    const [tail, ...sent] = chunks.toReversed()
    t.deepEqual(tail, TAIL)
    const length = sent.reduce((sum, chunk) => sum + chunk.length, 0)
    t.true(length > 0 && length < large.bytes.length)
    t.is(sha256(...sent.toReversed()), sha256(large.bytes.subarray(0, length)))

    const own = new OwnDescriptor(fs.openSync(`${sampleDirectory()}/thrown`, 'w'))
    t.is((await rejection(sendfile(own.fd, small.path, { onProgress }))).reason, thrown)
    t.deepEqual(ownOf(thrown), unchanged)
    own.close()
    t.is(await descriptorsSettleAt(before), before)
  })
}

test.serial('onProgress runs in the AsyncLocalStorage context of the call', async (t) => {
  const storage = new AsyncLocalStorage<string>()
  const { near } = await connectedPair(t)
  const own = new OwnDescriptor(fs.openSync('/dev/null', 'w'))
  const sink = new Writable({ highWaterMark: 1, write: (_chunk, _encoding, callback) => setTimeout(callback, 2) })
  const run = async (destination: Writable | number, name: string, count: number): Promise<Set<unknown>> => {
    const seen = new Set<unknown>()
    const onProgress = (): void => void seen.add(storage.getStore())
    // A rate, so that onProgress is called more than once.
    const options = { onProgress, progressInterval: 1, rate: count * 5, burst: 1, quantum: 4096, count }
    await within(
      storage.run(name, () => sendfile(destination, large.path, options)),
      name,
    )
    return seen
  }
  const found = [run(near, 'socket', 200_000), run(own.fd, 'descriptor', 200_000), run(sink, 'Writable', 200_000)]
  t.deepEqual(await Promise.all(found), [new Set(['socket']), new Set(['descriptor']), new Set(['Writable'])])
  own.close()
})

test.serial('calls are at least progressInterval apart, except the last', async (t) => {
  const { near } = await connectedPair(t)
  const sink = new Writable({ write: (_chunk, _encoding, callback) => setImmediate(callback) })
  for (const destination of [near, sink]) {
    const times: number[] = []
    const started = performance.now()
    const onProgress = (): void => void times.push(performance.now())
    const options = { onProgress, progressInterval: 60, rate: 500_000, burst: 1, count: 250_000 }
    await within(sendfile(destination, large.path, options), 'the transfer')
    const gaps = times.slice(0, -1).map((time, index) => time - (times[index - 1] ?? started))
    t.true(gaps.length > 0, 'there is more than the last call')
    // Measured by another clock than that of the engine: one millisecond may be lost.
    t.deepEqual(
      gaps.filter((gap) => gap < 59),
      [],
    )
  }
})

test.serial('total is null until the size is known', async (t) => {
  const path = `${sampleDirectory()}/unsized.fifo`
  execFileSync('mkfifo', [path])
  const reported: Progress[] = []
  const { near, received } = await connectedPair(t)
  const onProgress = (progress: Progress): void => void reported.push(progress)
  const sending = sendfile(near, path, { onProgress, progressInterval: 1 })
  const writer = await fs.promises.open(path, 'w')
  for (let index = 0; index < 5; index += 1) {
    await writer.write(small.bytes)
    await within(received.reaches((index + 1) * small.bytes.length), 'what was written')
    await new Promise((resolve) => {
      setTimeout(resolve, 2) // the interval
    })
  }
  await writer.close()
  await within(sending, 'the transfer')
  const last = reported.pop()
  t.deepEqual(last, { bytesSent: 5000, total: 5000, method: 'copy' })
  t.true(reported.length > 0)
  t.deepEqual(new Set(reported.map(({ total }) => total)), new Set([null]))
})
