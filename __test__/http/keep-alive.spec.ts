// A response whose bytes the kernel moves is a response in progress for everything in Node that ends connections.
import { once } from 'node:events'
import type { Server } from 'node:http'
import test from 'ava'

import { sendfile, type SendfileResult } from '../../index.ts'
import { countDescriptors, descriptorsSettleAt, restingDescriptors } from '../fixtures/descriptors.ts'
import { IN_KERNEL } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { serve } from '../fixtures/servers.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { stalled } from '../fixtures/stalled.ts'
import { warmEngine } from '../fixtures/warm-engine.ts'
import { within } from '../fixtures/within.ts'

/** More than the buffers of both ends of a connection take: a client that does not read stops the transfer. */
const SIZE = 32 << 20
const file = sampleFile(SIZE)
const digest = sha256(file.bytes)

for (const { name, act } of [
  { name: 'server.close()', act: (server: Server) => void server.close() },
  { name: 'server.closeIdleConnections()', act: (server: Server) => server.closeIdleConnections() },
]) {
  test(`${name} during a transfer lets the transfer finish`, async (t) => {
    const results: Promise<SendfileResult>[] = []
    const { server, connect } = await serve(t, (_, response) => {
      results.push(sendfile(response, file.path, { end: true }))
    })
    const closed = once(server, 'close')
    const connected = once(server, 'connection')
    const client = await connect()
    const [accepted] = await connected
    client.socket.pause()
    const answer = client.request('/')
    await stalled(accepted)
    act(server)
    client.socket.resume()
    const response = await within(answer, 'the rest of the body')
    t.is(sha256(response.body), digest)
    t.is((await results[0]!).bytesSent, SIZE)
    if (server.listening) return
    await client.close()
    await within(closed, "the server's 'close'")
  })
}

test('server.close() completes after the transfer', async (t) => {
  const order: string[] = []
  let sending: Promise<unknown> | undefined
  const { server, connect } = await serve(t, (_, response) => {
    response.setHeader('Connection', 'close')
    sending = sendfile(response, file.path, { end: true }).then(() => order.push('sent'))
  })
  const closed = once(server, 'close').then(() => order.push('closed'))
  const connected = once(server, 'connection')
  const client = await connect()
  const [accepted] = await connected
  client.socket.pause()
  const answer = client.request('/')
  await stalled(accepted)
  server.close()
  client.socket.resume()
  t.is(sha256((await within(answer, 'the rest of the body')).body), digest)
  await within(closed, "the server's 'close'")
  await within(Promise.resolve(sending), 'the transfer')
  // Where JavaScript copies, a thread closes the file before the promise is settled, and the connection ends in the
  // meantime.
  t.deepEqual(IN_KERNEL ? order : order.toSorted().toReversed(), ['sent', 'closed'])
})

test('keepAliveTimeout starts when the transfer has ended', async (t) => {
  const { server, connect } = await serve(t, async (_, response) => {
    await sendfile(response, file.path, { end: true })
  })
  server.keepAliveTimeout = 100
  const connected = once(server, 'connection')
  const client = await connect()
  const [accepted] = await connected
  const ended = once(client.socket, 'end')
  const bodies: Buffer[] = []
  for (const path of ['/1', '/2']) {
    client.socket.pause()
    const answer = client.request(path)
    await stalled(accepted)
    client.socket.resume()
    bodies.push((await answer).body)
    t.false(client.socket.readableEnded)
  }
  // Node 24 waits another second for requests that are on their way.
  await within(ended, 'the end of the idle connection')
  t.true(client.socket.readableEnded)
  // Hashed last: between the requests it can take longer than the timeout where the machine is busy.
  for (const body of bodies) t.is(sha256(body), digest)
})

test.serial('closed keep-alive connections leave no descriptor open', async (t) => {
  await warmEngine()
  const before = await restingDescriptors()
  const server = await serve(t, async (_, response) => {
    await sendfile(response, file.path, { end: true })
  })
  const client = await server.connect()
  for (const path of ['/1', '/2', '/3']) t.is(sha256((await client.request(path)).body), digest)
  t.is(await descriptorsSettleAt(before + 3), before + 3, 'the listener and both ends of the connection')
  await server.close()
  t.is(await descriptorsSettleAt(before), before)
  t.is(countDescriptors(), before)
})
