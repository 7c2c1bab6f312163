// Errors of a request after a failed transfer go to its owner, unless the rejection has reported them.
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import test, { type ExecutionContext } from 'ava'

import { sendfile } from '../../index.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { listen } from '../fixtures/servers.ts'
import { within } from '../fixtures/within.ts'

const large = sampleFile(32 << 20)

/** A request, and the connection that its server holds. */
async function request(t: ExecutionContext): Promise<{ request: http.ClientRequest; accepted: Promise<net.Socket> }> {
  const server = net.createServer((socket) => socket.on('error', () => {}))
  const port = await listen(t, server)
  const accepted = once(server, 'connection').then(([socket]: net.Socket[]) => socket!)
  const made = http.request({ host: '127.0.0.1', port, method: 'PUT', agent: false })
  t.teardown(() => void made.on('error', () => {}).destroy())
  t.teardown(async () => void (await accepted).destroy())
  return { request: made, accepted }
}

test("a request whose first file is missing still emits the 'error' of a reset connection", async (t) => {
  const { request: put, accepted } = await request(t)
  await t.throwsAsync(sendfile(put, '/does/not/exist'), { code: 'ENOENT' })
  await new Promise((resolve) => setImmediate(resolve))
  t.deepEqual([put.listenerCount('error'), put.listenerCount('close')], [0, 0])
  const reported = within(once(put, 'error'), "'error'")
  put.write('x')
  const socket = await accepted
  await once(socket, 'readable')
  socket.resetAndDestroy()
  const [error] = await reported
  t.is(error.code, 'ECONNRESET')
})

test('a request aborted before its turn keeps no listener', async (t) => {
  const { request: put } = await request(t)
  const controller = new AbortController()
  controller.abort()
  await t.throwsAsync(sendfile(put, large.path, { signal: controller.signal }), { name: 'AbortError' })
  await new Promise((resolve) => setImmediate(resolve))
  t.is(put.listenerCount('error'), 0)
})

test("an upload reset by the peer rejects without an 'error' event", async (t) => {
  const { request: put, accepted } = await request(t)
  const sent = sendfile(put, large.path, { end: true })
  const socket = await accepted
  await once(socket, 'readable')
  const closed = new Promise((resolve) => {
    put.once('close', resolve)
  })
  socket.resetAndDestroy()
  const error = await t.throwsAsync(within(sent, 'the rejection'))
  t.regex(String(Reflect.get(error, 'code')), /^(?:ECONNRESET|EPIPE)$/)
  await within(closed, "'close'")
  await new Promise((resolve) => setImmediate(resolve))
  t.is(put.listenerCount('error'), 0)
})

test("an upload aborted in the middle rejects without an 'error' event", async (t) => {
  const { request: put, accepted } = await request(t)
  const controller = new AbortController()
  const sent = sendfile(put, large.path, { end: true, signal: controller.signal })
  const socket = await accepted
  await once(socket, 'readable')
  const closed = new Promise((resolve) => {
    put.once('close', resolve)
  })
  controller.abort()
  await t.throwsAsync(within(sent, 'the rejection'), { name: 'AbortError' })
  await within(closed, "'close'")
  await new Promise((resolve) => setImmediate(resolve))
  t.is(put.listenerCount('error'), 0)
})
