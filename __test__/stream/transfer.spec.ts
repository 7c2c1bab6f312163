// The transfer of a piped stream, and the options that fs.createReadStream does not have.
import { once } from 'node:events'
import fs from 'node:fs'
import http from 'node:http'
import type net from 'node:net'
import { PassThrough, Writable } from 'node:stream'
import tls from 'node:tls'
import test from 'ava'

import { createReadStream, ReadStream, type StreamTransfer } from '../../index.ts'
import { cert, key } from '../fixtures/certificate.ts'
import { collect } from '../fixtures/collect.ts'
import { connectedPair, portOf } from '../fixtures/connected-pair.ts'
import { IN_KERNEL, kernelTest } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { serve } from '../fixtures/servers.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { until, within } from '../fixtures/within.ts'

const file = sampleFile(8 << 20)

/** Pipes a stream to a socket; returns the received bytes and the argument of 'transfer'. */
async function pipeToSocket(stream: ReadStream, near: net.Socket): Promise<StreamTransfer> {
  const reported = once(stream, 'transfer')
  stream.pipe(near)
  const [transfer]: unknown[] = await within(reported, "event 'transfer'")
  return transfer as StreamTransfer
}

kernelTest('a stream reports its transfer during and after the transfer', async (t) => {
  const { near, far, received } = await connectedPair(t, { reading: false })
  const stream = createReadStream(file.path)
  t.is(stream.transfer, undefined)
  const over = pipeToSocket(stream, near)
  await until(() => (stream.transfer?.bytesSent ?? 0) > 0, 'some bytes')
  t.true((stream.transfer?.bytesSent ?? 0) < file.bytes.length)
  t.is(stream.transfer?.bytesSent, stream.bytesRead)
  far.resume()
  const { method, bytesSent, fallbacks } = await over
  await within(received.closed, 'the end of the connection')
  t.deepEqual({ method, bytesSent, fallbacks }, { method: 'sendfile', bytesSent: file.bytes.length, fallbacks: [] })
  t.is(sha256(received.bytes), sha256(file.bytes))
})

kernelTest('the transfer to other destinations reports why it is copied', async (t) => {
  const sink = new PassThrough().resume()
  const stream = createReadStream(file.path)
  const over = once(stream, 'transfer')
  stream.pipe(sink)
  const [transfer]: unknown[] = await within(over, "event 'transfer'")
  t.like(transfer, {
    method: 'copy',
    bytesSent: file.bytes.length,
    fallbacks: [{ from: 'sendfile', to: 'copy', code: 'FOREIGN' }],
  })
})

kernelTest('a paused stream sends nothing while its destination is full', async (t) => {
  const { near, far, received } = await connectedPair(t, { reading: false })
  const before = Buffer.alloc(16 << 20, 'b')
  let queued = 0
  const stream = createReadStream(file.path).once('open', () => {
    near.write(before)
    queued = near.writableLength
    stream.pause()
  })
  const over = pipeToSocket(stream, near)
  await until(() => stream.readableLength > 0, 'what a paused stream reads ahead')
  t.is(near.writableLength, queued)
  far.resume()
  stream.resume()
  await over
  await within(received.closed, 'the end of the connection')
  t.is(sha256(received.bytes), sha256(before, file.bytes))
})

kernelTest('writableLength of the destination stays within one segment', async (t) => {
  const { near, received } = await connectedPair(t)
  const stream = createReadStream(file.path, { segment: 300_000 })
  let most = 0
  const over = pipeToSocket(stream, near)
  const timer = setInterval(() => {
    most = Math.max(most, near.writableLength)
  }, 0)
  t.teardown(() => clearInterval(timer))
  stream.on('pause', () => {
    most = Math.max(most, near.writableLength)
  })
  await over
  await within(received.closed, 'the end of the connection')
  t.true(most > 0 && most <= 300_000, `${most}`)
  t.is(sha256(received.bytes), sha256(file.bytes))
})

test('segments grow up to 16 MiB while they are accepted quickly', async (t) => {
  const large = sampleFile(96 << 20)
  const { port } = await serve(t, (_, response) => {
    createReadStream(large.path).pipe(response)
  })
  const request = http.get({ port, agent: false })
  const [response]: http.IncomingMessage[] = await once(request, 'response')
  const { bytes } = await collect(response!)
  t.is(sha256(bytes), sha256(large.bytes))
})

const SIXTY_FOUR_KIB = 64 * 1024

kernelTest('a file of up to 64 KiB is read, and the transfer reports it', async (t) => {
  const { near, received } = await connectedPair(t)
  const { path, bytes } = sampleFile(SIXTY_FOUR_KIB)
  const { method, bytesSent, fallbacks } = await pipeToSocket(createReadStream(path), near)
  await within(received.closed, 'the end of the connection')
  t.deepEqual({ method, bytesSent }, { method: 'copy', bytesSent: bytes.length })
  t.like(fallbacks, [{ from: 'sendfile', to: 'copy', code: 'SMALL' }])
  t.is(sha256(received.bytes), sha256(bytes))
})

const NOT_SMALL = [
  { name: 'a file of 64 KiB and one byte', size: SIXTY_FOUR_KIB + 1, options: {} },
  { name: 'a file larger than a segment', size: 20_000, options: { segment: 19_999 } },
  { name: "a small file with method: 'sendfile'", size: 20_000, options: { method: 'sendfile' } },
] as const
for (const { name, size, options } of NOT_SMALL) {
  kernelTest(`${name} is sent by the kernel`, async (t) => {
    const { near, received } = await connectedPair(t)
    const { path, bytes } = sampleFile(size)
    const { method, fallbacks } = await pipeToSocket(createReadStream(path, options), near)
    await within(received.closed, 'the end of the connection')
    t.deepEqual({ method, fallbacks }, { method: 'sendfile', fallbacks: [] })
    t.is(sha256(received.bytes), sha256(bytes))
  })
}

kernelTest('a small range of a large file is read', async (t) => {
  const { near, received } = await connectedPair(t)
  const range = { start: 1_000_000, end: 1_000_999 }
  const { method } = await pipeToSocket(createReadStream(file.path, range), near)
  await within(received.closed, 'the end of the connection')
  t.is(method, 'copy')
  t.is(sha256(received.bytes), sha256(file.bytes.subarray(range.start, range.end + 1)))
})

kernelTest("method: 'copy' is carried out by the engine without fallbacks", async (t) => {
  const { near, received } = await connectedPair(t)
  const { method, fallbacks } = await pipeToSocket(createReadStream(file.path, { method: 'copy' }), near)
  await within(received.closed, 'the end of the connection')
  t.deepEqual({ method, fallbacks }, { method: 'copy', fallbacks: [] })
  t.is(sha256(received.bytes), sha256(file.bytes))
})

for (const method of ['sendfile', 'splice', 'copy_file_range'] as const) {
  kernelTest(`method: '${method}' destroys a stream piped to a plain Writable`, async (t) => {
    let taken = 0
    const sink = new Writable({
      write(chunk: Buffer, _encoding, callback) {
        taken += chunk.length
        callback()
      },
    })
    const stream = createReadStream(file.path, { method })
    stream.pipe(sink)
    const [error]: unknown[] = await within(once(stream, 'error'), "event 'error'")
    t.like(error, { code: 'ERR_SENDFILE_UNSUPPORTED', name: 'SendfileError' })
    t.is(taken, 0)
  })
}

kernelTest("method: 'sendfile' destroys a stream piped to a TLS socket", async (t) => {
  const server = tls.createServer({ cert, key }, (socket) => {
    socket.on('error', () => {})
    stream.pipe(socket)
    stream.on('close', () => socket.destroy())
  })
  t.teardown(() => server.close())
  const stream = createReadStream(file.path, { method: 'sendfile' })
  const client = tls.connect({ port: await portOf(server), rejectUnauthorized: false })
  client.on('error', () => {})
  t.teardown(() => void client.destroy())
  const [error]: unknown[] = await within(once(stream, 'error'), "event 'error'")
  t.like(error, { code: 'ERR_SENDFILE_UNSUPPORTED', name: 'SendfileError' })
})

kernelTest('the average rate stays within `rate`', async (t) => {
  const { near, received } = await connectedPair(t)
  const { path, bytes } = sampleFile(300_000)
  const startedAt = performance.now()
  const { bytesSent } = await pipeToSocket(createReadStream(path, { rate: 1_000_000 }), near)
  const took = performance.now() - startedAt
  await within(received.closed, 'the end of the connection')
  t.is(bytesSent, bytes.length)
  t.true(took >= 150, `${took} ms`)
  t.is(sha256(received.bytes), sha256(bytes))
})

kernelTest('options of the package are checked before anything is opened', (t) => {
  const bad: [object, string, RegExp][] = [
    [{ segment: '1' }, 'ERR_INVALID_ARG_TYPE', /options\.segment/],
    [{ segment: 0 }, 'ERR_OUT_OF_RANGE', /options\.segment/],
    [{ segment: 1.5 }, 'ERR_OUT_OF_RANGE', /options\.segment.*an integer/],
    [{ rate: -1 }, 'ERR_OUT_OF_RANGE', /options\.rate/],
    [{ rate: Number.NaN }, 'ERR_OUT_OF_RANGE', /options\.rate/],
    [{ rate: '1' }, 'ERR_INVALID_ARG_TYPE', /options\.rate/],
    [{ method: 'teleport' }, 'ERR_INVALID_ARG_VALUE', /options\.method/],
    [{ method: 1 }, 'ERR_INVALID_ARG_TYPE', /options\.method/],
  ]
  for (const [options, code, message] of bad) {
    t.throws(() => createReadStream('/no/such/file', options), { code, message })
  }
})

test('instanceof holds between this class and fs.ReadStream in both directions', (t) => {
  const [stream, stock] = [createReadStream(file.path), fs.createReadStream(file.path)]
  class Mine extends ReadStream {}
  t.true(stream instanceof fs.ReadStream)
  t.true(stock instanceof ReadStream)
  t.false(stock instanceof Mine)
  t.false(stream instanceof Mine)
  t.is(ReadStream.name, 'ReadStream')
  for (const each of [stream, stock]) each.destroy()
})

const stockTest = IN_KERNEL ? test.skip : test

stockTest("without the kernel executor the streams are Node's own", async (t) => {
  t.true(Object.is(ReadStream, fs.ReadStream))
  const { near, received } = await connectedPair(t)
  // options of the package are unknown to Node
  const stream = createReadStream(file.path, { start: 10, method: 'sendfile', segment: 1 << 20, rate: 1 })
  stream.on('transfer', () => t.fail('no transfer must be reported'))
  stream.pipe(near)
  await within(received.closed, 'the end of the connection')
  t.is(stream.transfer, undefined)
  t.is(sha256(received.bytes), sha256(file.bytes.subarray(10)))
})
