import { once } from 'node:events'

import test, { type ExecutionContext } from 'ava'

import { sendfile } from '../../index.ts'
import { connectedPair } from '../fixtures/connected-pair.ts'
import { IN_KERNEL, kernelSerial } from '../fixtures/executor.ts'
import type { Received } from '../fixtures/received.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { stalled, unacknowledged } from '../fixtures/stalled.ts'
import { within } from '../fixtures/within.ts'

/** Fits into the buffers of a connection on loopback, but not into that of the reading end. */
const file = sampleFile(2 ** 21)
/** Less than the kernel always accepts for a peer that does not read. */
const UNREAD = 2 ** 15

test.serial("'queued' does not wait for a peer that reads nothing", async (t) => {
  const { near, far, received } = await connectedPair(t, { reading: false })
  const { bytesSent } = await within(sendfile(near, file.path), 'the transfer')
  t.is(bytesSent, file.bytes.length)
  t.true(unacknowledged(near) > 0, 'the peer has not got all of it')
  far.resume()
  near.end()
  await within(received.closed, 'the end')
  t.is(sha256(received.bytes), sha256(file.bytes))
})

kernelSerial("'acknowledged' waits until the kernel of the peer has every byte", async (t) => {
  const { near, far, received } = await connectedPair(t, { reading: false })
  let settled = false
  const sending = sendfile(near, file.path, { until: 'acknowledged' }).finally(() => {
    settled = true
  })
  await stalled(near)
  t.false(settled, 'bytes are on their way')
  near.write('after')
  far.resume()
  const { bytesSent, method } = await within(sending, 'the transfer')
  t.deepEqual({ bytesSent, method }, { bytesSent: file.bytes.length, method: 'sendfile' })
  near.end()
  await within(received.closed, 'the end')
  t.is(sha256(received.bytes), sha256(file.bytes, Buffer.from('after')))
})

kernelSerial('every byte including trailers is acknowledged when the promise is fulfilled', async (t) => {
  const { near } = await connectedPair(t)
  const parts = { headers: Buffer.alloc(1000), trailers: Buffer.alloc(1000) }
  await within(sendfile(near, file.path, { until: 'acknowledged', ...parts }), 'the transfer')
  t.is(unacknowledged(near), 0)
})

kernelSerial('a peer that resets the connection fails the transfer and the stream', async (t) => {
  const { near, far } = await connectedPair(t, { reading: false })
  const failed = once(near, 'error')
  const sending = sendfile(near, file.path, { until: 'acknowledged' })
  await stalled(near)
  far.resetAndDestroy()
  const error = await t.throwsAsync(within(sending, 'the rejection'))
  const [heard] = await within(failed, 'the error of the stream')
  t.is(Reflect.get(Object(heard), 'code'), 'ECONNRESET', 'libuv has its own error')
  t.like(error, { code: 'ECONNRESET', bytesSent: file.bytes.length })
})

kernelSerial('an abort ends the wait and counts every byte', async (t) => {
  const { near } = await connectedPair(t, { reading: false })
  const controller = new AbortController()
  const sending = sendfile(near, file.path, { until: 'acknowledged', signal: controller.signal })
  await stalled(near)
  controller.abort()
  const error = await t.throwsAsync(within(sending, 'the rejection'), { code: 'ABORT_ERR' })
  t.is(Reflect.get(Object(error), 'bytesSent'), file.bytes.length)
})

/** Sends a file by a socket with unread bytes, whose owner ends it as soon as the transfer is reported complete. */
async function receivedUnread(
  t: ExecutionContext,
  until: 'queued' | 'acknowledged',
  leave: 'destroy' | 'resetAndDestroy',
): Promise<{ received: Received; lost: number }> {
  const { near, far, received } = await connectedPair(t, { reading: false })
  far.write(Buffer.alloc(1 << 20))
  const sending = sendfile(near, file.path, { until })
  const hold = (): void => {
    if (received.length > file.bytes.length - UNREAD) far.pause()
  }
  // The last bytes are buffered at the reading end.
  if (until === 'acknowledged') {
    far.on('data', hold)
    far.resume()
  }
  const { bytesSent } = await within(sending, 'the transfer')
  t.is(bytesSent, file.bytes.length)
  const lost = unacknowledged(near)
  const closed = once(near, 'close')
  near[leave]()
  await within(closed, "'close' of the sending end")
  far.off('data', hold)
  far.resume()
  await within(received.closed, "'close' of the reading end")
  return { received, lost }
}

for (const leave of ['destroy', 'resetAndDestroy'] as const) {
  kernelSerial(`${leave}() of a socket with unread bytes does not lose acknowledged bytes`, async (t) => {
    const { received, lost } = await receivedUnread(t, 'acknowledged', leave)
    t.is(lost, 0)
    t.is(sha256(received.bytes), sha256(file.bytes))
  })

  kernelSerial(`${leave}() of a socket with unread bytes loses queued bytes`, async (t) => {
    const { received, lost } = await receivedUnread(t, 'queued', leave)
    t.true(lost > 0)
    t.true(received.length < file.bytes.length)
    t.is(sha256(received.bytes), sha256(file.bytes.subarray(0, received.length)))
  })
}

if (!IN_KERNEL) {
  test.serial("'acknowledged' is refused without the kernel executor, and no byte is sent", async (t) => {
    const { near, received } = await connectedPair(t)
    await t.throwsAsync(within(sendfile(near, file.path, { until: 'acknowledged' }), 'the refusal'), {
      code: 'ERR_SENDFILE_UNSUPPORTED',
    })
    near.end('the socket goes on')
    await within(received.closed, 'the end')
    t.is(received.bytes.toString(), 'the socket goes on')
  })
}
