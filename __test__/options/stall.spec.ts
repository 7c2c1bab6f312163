import fs from 'node:fs'
import http from 'node:http'
import { execFileSync } from 'node:child_process'

import test from 'ava'

import { sendfile, SendfileError } from '../../index.ts'
import { collect } from '../fixtures/collect.ts'
import { connectedPair } from '../fixtures/connected-pair.ts'
import { IN_KERNEL } from '../fixtures/executor.ts'
import { sampleBytes, sampleDirectory, sampleFile } from '../fixtures/sample-file.ts'
import { listen } from '../fixtures/servers.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { tlsPair } from '../fixtures/socket-pair.ts'
import { within } from '../fixtures/within.ts'

/** More than the buffers of a connection on loopback hold. */
const large = sampleFile(24 * 2 ** 20)
const TAIL = Buffer.from('the socket goes on')
const STALL = { stallTimeout: 200 }
/** The bytes of a copy that a stream accepts before it returns false. */
const CHUNK = 64 * 1024

/** The bytes sent when the transfer stalled. */
async function stalledAfter(sending: Promise<unknown>): Promise<number> {
  try {
    await within(sending, 'the stall')
  } catch (error) {
    if (error instanceof SendfileError && error.code === 'ERR_SENDFILE_STALLED') return Number(error.bytesSent)
    throw error
  }
  throw new Error('the transfer has not stalled')
}

test('a peer that reads nothing stalls the transfer; the counted bytes arrive, and the socket stays usable', async (t) => {
  const { near, far, received } = await connectedPair(t, { reading: false })
  const bytesSent = await stalledAfter(sendfile(near, large.path, STALL))
  t.true(bytesSent > 0 && bytesSent < large.bytes.length)
  far.resume()
  near.end(TAIL)
  await within(received.closed, 'the end')
  t.is(received.length, bytesSent + TAIL.length)
  t.is(sha256(received.bytes), sha256(large.bytes.subarray(0, bytesSent), TAIL))
})

test('a transfer stalls while it waits behind a stalled write', async (t) => {
  const { near, far, received } = await connectedPair(t, { reading: false })
  const before = sampleBytes(24 * 2 ** 20, 3)
  near.write(before)
  const bytesSent = await stalledAfter(sendfile(near, large.path, STALL))
  t.true(bytesSent <= (IN_KERNEL ? 0 : CHUNK), `${bytesSent} bytes`)
  far.resume()
  near.end(TAIL)
  await within(received.closed, 'the end')
  t.is(sha256(received.bytes), sha256(before, large.bytes.subarray(0, bytesSent), TAIL))
})

test('a transfer stalls while it waits behind a stalled transfer', async (t) => {
  const { near, far, received } = await connectedPair(t, { reading: false })
  const first = sendfile(near, large.path)
  t.is(await stalledAfter(sendfile(near, large.path, STALL)), 0)
  far.resume()
  await within(first, 'the first one')
  near.end(TAIL)
  await within(received.closed, 'the end')
  t.is(sha256(received.bytes), sha256(large.bytes, TAIL))
})

test('a transfer over TLS stalls; the counted bytes arrive, and the socket stays usable', async (t) => {
  const { near, far, close } = await tlsPair()
  t.teardown(close)
  const peer = await far
  const bytesSent = await stalledAfter(sendfile(near, large.path, STALL))
  t.true(bytesSent > 0 && bytesSent < large.bytes.length)
  near.end(TAIL)
  const { bytes } = await within(collect(peer), 'the end')
  t.is(sha256(bytes), sha256(large.bytes.subarray(0, bytesSent), TAIL))
})

test('a FIFO without a reader stalls the transfer; it holds the counted bytes', async (t) => {
  const path = `${sampleDirectory()}/stall.fifo`
  execFileSync('mkfifo', [path])
  const { O_RDONLY, O_WRONLY, O_NONBLOCK } = fs.constants
  const reader = fs.openSync(path, O_RDONLY | O_NONBLOCK)
  const writer = fs.openSync(path, O_WRONLY)
  const bytesSent = await stalledAfter(sendfile(writer, large.path, STALL))
  fs.closeSync(writer)
  const found = Buffer.alloc(2 ** 20)
  let length = 0
  for (let taken = -1; taken !== 0; length += taken)
    taken = fs.readSync(reader, found, length, found.length - length, null)
  fs.closeSync(reader)
  t.is(length, bytesSent)
  t.is(sha256(found.subarray(0, length)), sha256(large.bytes.subarray(0, length)))
})

test('a slow but steady reader does not stall the transfer', async (t) => {
  const { near, far, received } = await connectedPair(t, { reading: false })
  far.on('data', () => {
    far.pause()
    setTimeout(() => far.resume(), 3)
  })
  far.resume()
  const { durationMs } = await within(sendfile(near, large.path, { stallTimeout: 800 }), 'the transfer', 30_000)
  t.log(`${Math.round(durationMs)} ms`)
  near.end()
  await within(received.closed, 'the end', 30_000)
  t.is(sha256(received.bytes), sha256(large.bytes))
})

test('a pause caused by the rate does not stall the transfer', async (t) => {
  const { near, received } = await connectedPair(t)
  const options = { rate: 1000, burst: 400, count: 1000, stallTimeout: 50 }
  const { bytesSent, durationMs } = await within(sendfile(near, large.path, options), 'the transfer')
  t.true(durationMs > options.stallTimeout, 'the transfer has taken longer than a stall')
  t.is(bytesSent, 1000)
  near.end()
  await within(received.closed, 'the end')
  t.is(sha256(received.bytes), sha256(large.bytes.subarray(0, 1000)))
})

test('a stalled http message is destroyed, because its length can no longer be met', async (t) => {
  const server = http.createServer()
  const answered = new Promise<{ bytesSent: number; destroyed: boolean }>((resolve, reject) => {
    server.once('request', ({ socket }, response: http.ServerResponse) => {
      stalledAfter(sendfile(response, large.path, { ...STALL, end: true })).then(
        (bytesSent) => resolve({ bytesSent, destroyed: socket.destroyed }),
        reject,
      )
    })
  })
  const port = await listen(t, server)
  const request = http.get({ port, host: '127.0.0.1', agent: false })
  const body = new Promise<http.IncomingMessage>((resolve) => {
    request.once('response', resolve)
  })
  const message = await within(body, 'the head')
  const { bytesSent, destroyed } = await answered
  t.true(destroyed)
  const { bytes, ended } = await within(collect(message), 'the end')
  t.false(ended, 'the client can tell that bytes are missing')
  t.true(bytes.length <= bytesSent && bytesSent < large.bytes.length)
  t.is(sha256(bytes), sha256(large.bytes.subarray(0, bytes.length)))
})
