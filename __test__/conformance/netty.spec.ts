// Netty: SocketFileRegionTest, DefaultFileRegionTest and FileRegionThrottleTest. A region is a call of `sendfile`; a
// void promise is a promise that is not awaited; without auto-read the client reads on demand.
import type net from 'node:net'
import { Writable } from 'node:stream'

import test, { type ExecutionContext } from 'ava'

import { sendfile, SendfileError } from '../../index.ts'
import type { Scope } from '../fixtures/connected-pair.ts'
import { counting } from '../fixtures/counted.ts'
import { METHOD } from '../fixtures/executor.ts'
import { sampleBytes, sampleFile, writeSample } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { lineOver, type Transport, TRANSPORTS } from '../fixtures/transports.ts'
import { within } from '../fixtures/within.ts'

const counted = counting(test)

const SIZE = 10 << 20
/** Random bytes before and after the region, so that its offset is not 0. */
const [PREFIX, SUFFIX] = [1234, 4321]
const file = sampleFile(PREFIX + SIZE + SUFFIX, 96)
const region = { offset: PREFIX, count: SIZE }
const content = file.bytes.subarray(PREFIX, PREFIX + SIZE)
const hello = sampleBytes(1024, 97)

/** Requests every chunk: the stream does not flow. */
function readByHand(far: net.Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  return new Promise((resolve) => {
    far.on('readable', () => {
      for (let chunk: unknown = far.read(); chunk instanceof Buffer; chunk = far.read()) chunks.push(chunk)
    })
    far.once('end', () => resolve(Buffer.concat(chunks)))
  })
}

interface Variant {
  readonly waits: boolean
  readonly autoRead: boolean
}

/** An empty region, bytes of memory, and the region; SocketFileRegionTest.testFileRegion0. */
async function fileRegion(t: ExecutionContext, scope: Scope, transport: Transport, how: Variant): Promise<void> {
  const { near, far, arrived } = await lineOver(scope, transport)
  const received = how.autoRead ? arrived().then(({ bytes }) => bytes) : readByHand(far)
  const sendings = [sendfile(near, file.path, { count: 0 })]
  near.write(hello)
  sendings.push(sendfile(near, file.path, region))
  if (how.waits) {
    const [empty, whole] = await within(Promise.all(sendings), 'the transfers', 30_000)
    t.like(empty, { bytesSent: 0, syscalls: 0 })
    t.like(whole, { bytesSent: SIZE, offset: PREFIX + SIZE, method: METHOD })
  }
  near.end()
  t.is(sha256(await within(received, 'the region', 30_000)), sha256(hello, content))
  await Promise.all(sendings)
}

for (const transport of TRANSPORTS) {
  for (const [number, name, how] of [
    [96, 'testFileRegion', { waits: true, autoRead: true }],
    [98, 'testFileRegionNotAutoRead', { waits: true, autoRead: false }],
    [99, 'testFileRegionVoidPromise', { waits: false, autoRead: true }],
    [100, 'testFileRegionVoidPromiseNotAutoRead', { waits: false, autoRead: false }],
  ] as const) {
    counted(`Netty ${number}: ${name}, ${transport}`, (t, scope) => fileRegion(t, scope, transport, how))
  }

  // An error, not an endless loop.
  counted(`Netty 101: testFileRegionCountLargerThenFile, ${transport}`, async (t, scope) => {
    const path = writeSample(sampleBytes(1024, 101))
    const { near, arrived } = await lineOver(scope, transport)
    const received = arrived()
    const error = await t.throwsAsync(within(sendfile(near, path, { count: 1124 }), 'the end'), {
      instanceOf: SendfileError,
    })
    t.like(error, { code: 'ERR_SENDFILE_TRUNCATED', bytesSent: 1024, offset: 1024, path })
    near.end('usable')
    t.is(sha256((await received).bytes), sha256(sampleBytes(1024, 101), Buffer.from('usable')))
  })
}

// Netty copies a region of another class. Here the destination may be of any class.
counted('Netty 97: testCustomFileRegion', async (t, scope) => {
  const { near, arrived } = await lineOver(scope, 'tcp')
  const received = arrived()
  const custom = new Writable({
    write: (chunk: Buffer, _encoding, callback) => void near.write(chunk, callback),
    final: (callback) => void near.end(callback),
  })
  custom.write(hello)
  t.like(await within(sendfile(custom, file.path, { ...region, end: true }), 'the transfer', 30_000), {
    bytesSent: SIZE,
    method: 'copy',
    fallbacks: [{ from: 'sendfile', to: 'copy', code: 'FOREIGN' }],
  })
  t.is(sha256((await received).bytes), sha256(hello, content))
})

counted('Netty: DefaultFileRegionTest, a region that starts beyond the end of the file', async (t, scope) => {
  const path = writeSample(sampleBytes(1024, 102))
  const { near, arrived } = await lineOver(scope, 'tcp')
  const received = arrived()
  const error = await t.throwsAsync(sendfile(near, path, { offset: 2048, count: 1 }), { instanceOf: SendfileError })
  t.like(error, { code: 'ERR_SENDFILE_TRUNCATED', bytesSent: 0, offset: 2048 })
  near.end()
  t.is((await received).bytes.length, 0)
})

// 256 KiB at 64 KiB/s in Netty. The test can only detect a transfer that is too fast: a busy machine is slower.
counted('Netty: FileRegionThrottleTest, no faster than the rate', async (t, scope) => {
  const { near, arrived } = await lineOver(scope, 'tcp')
  const received = arrived()
  const [count, rate, burst] = [128 << 10, 64 << 10, 64 << 10]
  const slow = await sendfile(near, file.path, { count, rate, burst })
  t.is(slow.bytesSent, count)
  t.true(slow.durationMs >= 990, `${count - burst} bytes at ${rate} per second took ${slow.durationMs} ms`)
  near.end()
  t.is(sha256((await received).bytes), sha256(file.bytes.subarray(0, count)))
})
