// Markers that are queued on one connection.
import { once } from 'node:events'
import type { Socket } from 'node:net'
import test from 'ava'

import { createReadStream, sendfile } from '../../index.ts'
import { connectedPair } from '../fixtures/connected-pair.ts'
import { kernelTest } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { serve } from '../fixtures/servers.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { stalled } from '../fixtures/stalled.ts'
import { within } from '../fixtures/within.ts'

const file = sampleFile(200_003)
const large = sampleFile(48 << 20)
const REQUESTS = 20

for (const by of ['sendfile', 'stream'] as const) {
  test.serial(`twenty pipelined responses by ${by} cause no warning and leave no listener`, async (t) => {
    const warnings: Error[] = []
    const warn = (warning: Error): void => void warnings.push(warning)
    process.on('warning', warn)
    t.teardown(() => process.off('warning', warn))
    let connection: Socket | undefined
    const counts: number[] = []
    const { connect } = await serve(t, async (request, response) => {
      connection = request.socket
      response.setHeader('content-length', file.bytes.length)
      const finished = once(response, 'finish')
      if (by === 'sendfile') void sendfile(response, file.path, { end: true })
      else createReadStream(file.path).pipe(response)
      counts.push(connection.listenerCount('close'))
      await finished
    })
    const client = await connect()
    const answers = await within(
      Promise.all(Array.from({ length: REQUESTS }, () => client.request('/'))),
      'the answers',
    )
    for (const { body } of answers) t.is(sha256(body), sha256(file.bytes))
    await new Promise((resolve) => setImmediate(resolve))
    t.deepEqual(warnings, [])
    t.true(Math.max(...counts) <= counts[0]! + 1, counts.join())
  })
}

kernelTest("at 'close', bytesWritten counts the sent bytes and not the rest of the segment", async (t) => {
  const { near, far } = await connectedPair(t, { reading: false })
  const sent = sendfile(near, large.path)
  await stalled(near)
  // The engine has reported its progress at most one period after the last byte.
  await new Promise((resolve) => setTimeout(resolve, 250))
  const closed = once(near, 'close').then(() => near.bytesWritten)
  near.destroy()
  const atClose = await within(closed, "'close'")
  const error = await t.throwsAsync(within(sent, 'the rejection'))
  far.destroy()
  t.is(atClose, Number(Reflect.get(error, 'bytesSent')))
  t.is(near.bytesWritten, atClose)
})
