// A connection that leaves http during transfers: its bytes keep their order.
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import net from 'node:net'
import test from 'ava'

import { sendfile, type SendfileResult } from '../../index.ts'
import { METHOD, kernelTest } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { serve } from '../fixtures/servers.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { stalled } from '../fixtures/stalled.ts'
import { within } from '../fixtures/within.ts'

/** More than the buffers of a connection hold. */
const large = sampleFile(24 << 20)
const small = sampleFile(345_678, 2)

const SWITCHING = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n'
const ASKING = { headers: { connection: 'Upgrade', upgrade: 'test' } }

function tcp(socket: Duplex): net.Socket {
  if (socket instanceof net.Socket) return socket
  throw new TypeError('an upgrade without a net.Socket')
}

test("a file sent to the socket of 'upgrade' keeps its place", async (t) => {
  const results: Promise<SendfileResult>[] = []
  const { server, connect } = await serve(t, (_, response) => void response.end('plain'))
  server.on('upgrade', (_, duplex) => {
    const socket = tcp(duplex)
    socket.write(SWITCHING)
    socket.write('head')
    results.push(sendfile(socket, small.path))
    socket.write('middle')
    results.push(sendfile(socket, small.path, { offset: 5, end: true }))
  })
  const client = await connect()
  t.is((await client.request('/')).body.toString(), 'plain')
  const { status, body } = await within(client.request('/', ASKING), 'the switched connection')
  t.is(status, 101)
  const expected = [Buffer.from('head'), small.bytes, Buffer.from('middle'), small.bytes.subarray(5)]
  t.is(sha256(body), sha256(...expected))
  for (const result of await Promise.all(results)) t.is(result.method, METHOD)
})

// In the queue of the socket the file is one chunk. Copied by JavaScript it is many, with other writes in between.
kernelTest('an upgrade pipelined behind a response waits for the file of that response', async (t) => {
  const results: Promise<SendfileResult>[] = []
  const { server, connect } = await serve(t, (_, response) => {
    results.push(sendfile(response, large.path, { end: true }))
  })
  const upgraded = once(server, 'upgrade').then(([, duplex]) => {
    const socket = tcp(duplex)
    socket.write(SWITCHING)
    results.push(sendfile(socket, small.path))
    socket.end('later')
  })
  const connected = once(server, 'connection')
  const client = await connect()
  const [accepted] = await connected
  client.socket.pause()
  const first = client.request('/')
  await stalled(accepted)
  const second = client.request('/', ASKING)
  await within(upgraded, "the 'upgrade' event")
  client.socket.resume()
  t.is(sha256((await within(first, 'the first response')).body), sha256(large.bytes))
  const { status, body } = await within(second, 'the switched connection')
  t.is(status, 101)
  t.is(sha256(body), sha256(small.bytes, Buffer.from('later')))
  const [before, after] = await Promise.all(results)
  t.like(before, { method: METHOD, bytesSent: large.bytes.length })
  t.like(after, { method: METHOD, bytesSent: small.bytes.length })
})

test('bytes of the client after the upgrade are read while a file is sent', async (t) => {
  const { server, connect } = await serve(t, () => {})
  const echoed = once(server, 'upgrade').then(async ([, duplex]) => {
    const socket = tcp(duplex)
    socket.write(SWITCHING)
    const sent = sendfile(socket, large.path)
    await stalled(socket)
    const [said] = await once(socket, 'data')
    client.socket.resume()
    const result = await sent
    socket.end(said)
    return result
  })
  const client = await connect()
  client.socket.pause()
  const answer = client.request('/', ASKING)
  await once(server, 'upgrade')
  client.socket.write('hello')
  const { body } = await within(answer, 'the switched connection')
  t.is(sha256(body), sha256(large.bytes, Buffer.from('hello')))
  t.is((await echoed).bytesSent, large.bytes.length)
})

test('a file is sent through a CONNECT tunnel', async (t) => {
  const { server, port } = await serve(t, () => {})
  const tunnelled = once(server, 'connect').then(([, duplex]) => {
    const socket = tcp(duplex)
    socket.write('HTTP/1.1 200 Connection Established\r\n\r\n')
    return sendfile(socket, small.path, { end: true })
  })
  const socket = net.connect(port, '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.write('CONNECT example.org:443 HTTP/1.1\r\nhost: example.org:443\r\n\r\n')
  await within(once(socket, 'end'), 'the end of the tunnel')
  const received = Buffer.concat(chunks)
  const bodyAt = received.indexOf('\r\n\r\n') + 4
  t.is(sha256(received.subarray(bodyAt)), sha256(small.bytes))
  t.is((await tunnelled).method, METHOD)
})
