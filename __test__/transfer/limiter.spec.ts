import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { PassThrough, Writable as Sink } from 'node:stream'

import test, { type ExecutionContext } from 'ava'

import { createReadStream, RateLimiter, sendfile } from '../../index.ts'
import { connectedPair } from '../fixtures/connected-pair.ts'
import { kernelSerial, kernelTest } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { tlsPair } from '../fixtures/socket-pair.ts'
import { until, within } from '../fixtures/within.ts'

const MEBI = 2 ** 20
const file = sampleFile(2 * MEBI)

const sink = (): Writable => new Sink({ write: (_chunk, _encoding, callback) => setImmediate(callback) })

async function encrypted(t: ExecutionContext): Promise<Writable> {
  const { near, far, close } = await tlsPair()
  t.teardown(close)
  void far.then((peer) => peer.resume())
  return near
}

/** Pipes the sample, and resolves when the last byte has left the stream. */
async function pipe(destination: Writable, rate: RateLimiter): Promise<void> {
  const stream = createReadStream(file.path, { rate })
  stream.pipe(destination, { end: false })
  await once(stream, 'end')
}

// Timed, because a rate is bytes per time; one run for all.
kernelSerial('transfers of both executors and streams share one rate equally', async (t) => {
  t.timeout(30_000)
  const limiter = new RateLimiter({ rate: 6 * MEBI, burst: 64 * 1024 })
  const begun = performance.now()
  const seconds = async (transfer: Promise<unknown>): Promise<number> => {
    await transfer
    return (performance.now() - begun) / 1000
  }
  const running = [
    seconds(sendfile((await connectedPair(t)).near, file.path, { rate: limiter })),
    seconds(sendfile((await connectedPair(t)).near, file.path, { rate: limiter, method: 'copy' })),
    seconds(sendfile(sink(), file.path, { rate: limiter })),
    seconds(sendfile(await encrypted(t), file.path, { rate: limiter })),
    seconds(pipe((await connectedPair(t)).near, limiter)),
    seconds(pipe(sink(), limiter)),
  ]
  t.is(limiter.transfers, running.length)
  const took = await within(Promise.all(running), 'all transfers', 25_000)
  t.is(limiter.transfers, 0)
  t.log(took.map((time) => time.toFixed(2)).join(' '))
  // 12 MiB at 6 MiB a second; one after the other they would end at 0.33, 0.67, 1 … seconds.
  t.true(Math.max(...took) > 1.9 && Math.max(...took) < 2.4, 'the rate is kept together')
  t.true(Math.min(...took) > 0.75 * Math.max(...took), 'no transfer is served before the others')
})

test('every byte arrives', async (t) => {
  const limiter = new RateLimiter({ rate: 20 * MEBI })
  const pairs = await Promise.all([connectedPair(t), connectedPair(t), connectedPair(t)])
  const [first, second, third] = pairs
  if (first === undefined || second === undefined || third === undefined) return t.fail()
  const sending = [
    sendfile(first.near, file.path, { rate: limiter, end: true }),
    sendfile(second.near, file.path, { rate: limiter, end: true, method: 'copy' }),
    once(createReadStream(file.path, { rate: limiter }).pipe(third.near), 'finish'),
  ]
  await within(Promise.all(sending), 'the transfers')
  for (const { received } of pairs) {
    await within(received.closed, 'the end')
    t.is(sha256(received.bytes), sha256(file.bytes))
  }
})

for (const [name, connect] of [
  ['the kernel', async (t: ExecutionContext) => (await connectedPair(t)).near],
  ['JavaScript', async () => sink()],
] as const) {
  test(`a changed rate ends a wait if ${name} moves the bytes`, async (t) => {
    const limiter = new RateLimiter({ rate: 1, burst: 1 }) // it would take days
    const transfer = sendfile(await connect(t), file.path, { rate: limiter })
    await until(() => limiter.transfers === 1, 'the transfer has begun')
    limiter.rate = 2 ** 40
    t.is(limiter.rate, 2 ** 40)
    t.is((await within(transfer, 'the transfer')).bytesSent, file.bytes.length)
  })

  test(`an aborted transfer leaves the rate to the others if ${name} moves the bytes`, async (t) => {
    const limiter = new RateLimiter({ rate: 1000, burst: 1 })
    const controller = new AbortController()
    const transfer = sendfile(await connect(t), file.path, { rate: limiter, signal: controller.signal })
    await until(() => limiter.transfers === 1, 'the transfer has begun')
    controller.abort()
    await t.throwsAsync(within(transfer, 'the rejection'), { code: 'ABORT_ERR' })
    t.is(limiter.transfers, 0)
    t.is((await within(sendfile(sink(), file.path, { rate: limiter, count: 5 }), 'five bytes')).bytesSent, 5)
  })
}

kernelTest('a changed rate ends the wait of a stream', async (t) => {
  const limiter = new RateLimiter({ rate: 1, burst: 1 })
  const { near } = await connectedPair(t)
  const piped = pipe(near, limiter)
  await until(() => limiter.transfers === 1, 'the stream is piped')
  limiter.rate = 2 ** 40
  await within(piped, 'the end')
  t.is(limiter.transfers, 0)
})

kernelTest('a destroyed stream leaves its limiter', async (t) => {
  const limiter = new RateLimiter({ rate: 1, burst: 1 })
  const { near } = await connectedPair(t)
  const stream = createReadStream(file.path, { rate: limiter })
  stream.pipe(near)
  t.is(limiter.transfers, 1)
  stream.destroy()
  await within(once(stream, 'close'), 'the close')
  t.is(limiter.transfers, 0)
})

test('the burst follows the rate unless it is specified', (t) => {
  const limiter = new RateLimiter({ rate: 1000 })
  t.is(limiter.burst, 100)
  limiter.rate = 50
  t.is(limiter.burst, 5)
  const given = new RateLimiter({ rate: 1000, burst: 7 })
  given.rate = 50
  t.is(given.burst, 7)
})

test('bad arguments are refused before anything is opened', async (t) => {
  const bad: readonly [unknown, string][] = [
    [undefined, 'ERR_INVALID_ARG_TYPE'],
    [{}, 'ERR_INVALID_ARG_TYPE'],
    [{ rate: '1' }, 'ERR_INVALID_ARG_TYPE'],
    [{ rate: 0 }, 'ERR_OUT_OF_RANGE'],
    [{ rate: 1.5 }, 'ERR_OUT_OF_RANGE'],
    [{ rate: Infinity }, 'ERR_OUT_OF_RANGE'],
    [{ rate: 1, burst: 0 }, 'ERR_OUT_OF_RANGE'],
  ]
  for (const [options, code] of bad) t.throws(() => Reflect.construct(RateLimiter, [options]), { code })
  const limiter = new RateLimiter({ rate: 1000 })
  t.throws(() => (limiter.rate = -1), { code: 'ERR_OUT_OF_RANGE' })
  t.is(limiter.rate, 1000)
  const near = new PassThrough()
  await t.throwsAsync(sendfile(near, '/missing', { rate: limiter, burst: 5 }), { code: 'ERR_INVALID_ARG_VALUE' })
  const imitation: RateLimiter = Object.create(RateLimiter.prototype)
  await t.throwsAsync(sendfile(near, '/missing', { rate: imitation }), { code: 'ERR_INVALID_ARG_TYPE' })
  await t.throwsAsync(sendfile(near, '/missing', { rate: limiter }), { code: 'ENOENT' })
  t.is(limiter.transfers, 0)
})
