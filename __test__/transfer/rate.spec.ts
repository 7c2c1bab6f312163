import { Writable } from 'node:stream'

import test from 'ava'

import { sendfile, type SendfileResult } from '../../index.ts'
import { connectedPair } from '../fixtures/connected-pair.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { tlsPair } from '../fixtures/socket-pair.ts'
import { within } from '../fixtures/within.ts'

const MEBI = 2 ** 20
const file = sampleFile(32 * MEBI)
const SECONDS = 5

const sink = (): Writable => new Writable({ write: (_chunk, _encoding, callback) => setImmediate(callback) })

async function encrypted(t: Parameters<typeof connectedPair>[0]): Promise<Writable> {
  const { near, far, close } = await tlsPair()
  t.teardown(close)
  void far.then((peer) => peer.resume())
  return near
}

// Timed, because a rate is bytes per time: one run with several concurrent transfers by both executors.
test.serial(`the rate including the burst is kept within 10 % over ${SECONDS} s`, async (t) => {
  t.timeout(30_000)
  const limits = [
    // A burst also lets a process that was not scheduled catch up: half a second and more.
    { rate: MEBI, burst: MEBI / 2 },
    { rate: 4 * MEBI, burst: 3 * MEBI },
    { rate: 300_001, burst: 200_000 },
  ]
  const destinations = [(await connectedPair(t)).near, (await connectedPair(t)).near, sink(), await encrypted(t)]
  const measure = async (destination: Writable, { rate, burst }: { rate: number; burst: number }): Promise<string> => {
    const count = rate * SECONDS + burst
    const { durationMs, method }: SendfileResult = await sendfile(destination, file.path, { rate, burst, count })
    const found = (count - burst) / (durationMs / 1000)
    t.true(Math.abs(found / rate - 1) < 0.1, `${method}: ${found} bytes/s, not ${rate}`)
    return `${method} at ${rate} bytes/s: ${Math.round(found)}`
  }
  const running = destinations.map((destination, index) =>
    measure(destination, limits[index % limits.length] ?? { rate: 1, burst: 1 }),
  )
  for (const line of await within(Promise.all(running), 'all transfers', 25_000)) t.log(line)
})

for (const [name, connect] of [
  ['the kernel', async (t: Parameters<typeof connectedPair>[0]) => (await connectedPair(t)).near],
  ['JavaScript', async () => sink()],
] as const) {
  test.serial(`the burst is not throttled if ${name} moves the bytes`, async (t) => {
    const burst = 8 * MEBI
    // At this rate, without the burst, it would take days.
    const result = await within(sendfile(await connect(t), file.path, { rate: 10, burst, count: burst }), 'the burst')
    t.is(result.bytesSent, burst)
  })
}

test.serial('an abort ends a pause of the rate immediately', async (t) => {
  const { near, received } = await connectedPair(t)
  const controller = new AbortController()
  const sending = sendfile(near, file.path, { rate: 1, burst: 5, signal: controller.signal })
  await within(received.reaches(5), 'the burst')
  controller.abort()
  const error = await t.throwsAsync(within(sending, 'the rejection'), { code: 'ABORT_ERR' })
  near.end()
  await within(received.closed, 'the end')
  t.is(Reflect.get(Object(error), 'bytesSent'), received.length)
})
