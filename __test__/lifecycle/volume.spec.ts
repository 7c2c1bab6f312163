// Many transfers at once, and offsets and counts that 32 bits cannot hold.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import fs from 'node:fs'
import { open } from 'node:fs/promises'
import net from 'node:net'
import { join } from 'node:path'
import test from 'ava'

import { sendfile, SendfileError } from '../../index.ts'
import { connectedPair, portOf } from '../fixtures/connected-pair.ts'
import { countDescriptors, descriptorsSettleAt } from '../fixtures/descriptors.ts'
import { METHOD, serialBy } from '../fixtures/executor.ts'
import { sampleBytes, sampleDirectory, sampleFile } from '../fixtures/sample-file.ts'
import { serve } from '../fixtures/servers.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { stalled } from '../fixtures/stalled.ts'
import { warmEngine } from '../fixtures/warm-engine.ts'
import { within } from '../fixtures/within.ts'

test.before(warmEngine)

/* ------------------------------------------------------------ many */

const PARALLEL = 200
const small = sampleFile(1 << 20)

test.serial('200 transfers send 200 ranges to 200 sockets', async (t) => {
  const descriptors = countDescriptors()
  const server = net.createServer()
  const port = await portOf(server)
  t.teardown(() => server.close())
  const sent: Promise<{ bytesSent: number; method: string }>[] = []
  const offset = (number: number): number => number * 1009
  server.on('connection', (socket) => {
    const number = sent.length
    socket.write(`${number}\n`)
    sent.push(sendfile(socket, small.path, { offset: offset(number), end: true }))
  })
  const received = Array.from({ length: PARALLEL }, async () => {
    const chunks: Buffer[] = []
    const socket = net.connect(port, '127.0.0.1').on('data', (chunk: Buffer) => chunks.push(chunk))
    await once(socket, 'close')
    return Buffer.concat(chunks)
  })
  const bodies = await within(Promise.all(received), 'all the files', 30_000)
  const results = await Promise.all(sent)
  const seen = bodies.map((body) => {
    const line = body.indexOf('\n')
    const number = Number(body.toString('latin1', 0, line))
    t.is(sha256(body.subarray(line + 1)), sha256(small.bytes.subarray(offset(number))))
    t.is(results[number]!.bytesSent, small.bytes.length - offset(number))
    t.is(results[number]!.method, METHOD)
    return number
  })
  t.is(new Set(seen).size, PARALLEL)
  server.close()
  t.is(await descriptorsSettleAt(descriptors), descriptors)
})

test.serial('200 concurrent responses share one FileHandle', async (t) => {
  const descriptors = countDescriptors()
  const handle = await open(small.path)
  const { connect, close } = await serve(t, async (_, response) => {
    await sendfile(response, handle, { end: true })
  })
  const bodies = Array.from({ length: PARALLEL }, async () => {
    const client = await connect()
    return (await client.request('/')).body
  })
  const expected = sha256(small.bytes)
  for (const body of await within(Promise.all(bodies), 'all the answers', 30_000)) t.is(sha256(body), expected)
  t.is((await handle.stat()).size, small.bytes.length)
  await handle.close()
  await close()
  t.is(await descriptorsSettleAt(descriptors), descriptors)
})

/* ------------------------------------------------------------ large */

const GIB = 2 ** 30
const PIECE = 64 << 20
/** Aligned neither to a page nor to a quantum. */
const AT = 4 * GIB + 12_345

interface Sparse {
  readonly path: string
  readonly piece: Buffer
  /** Open for reading, at the range: Node can seek only by writing to the end of the file. */
  readonly fd: number
}

/** 5 GiB, of which only the range beyond 4 GiB is allocated. */
function sparseFile(): Sparse {
  const path = join(sampleDirectory(), 'sparse.bin')
  fs.writeFileSync(path, '')
  fs.truncateSync(path, AT - 1)
  const fd = fs.openSync(path, 'a+')
  fs.writeSync(fd, '.')
  const piece = sampleBytes(PIECE, 5)
  const other = fs.openSync(path, 'r+')
  fs.writeSync(other, piece, 0, piece.length, AT)
  fs.ftruncateSync(other, 5 * GIB)
  fs.closeSync(other)
  return { path, piece, fd }
}

let made: Sparse | undefined
const sparse = (): Sparse => (made ??= sparseFile())

test.serial('64 MiB from beyond 4 GiB are sent with number offsets', async (t) => {
  const { path, piece } = sparse()
  const { near, received } = await connectedPair(t)
  const result = await within(sendfile(near, path, { offset: AT, count: PIECE, end: true }), 'the transfer')
  await within(received.closed, 'the end of the connection')
  t.is(sha256(received.bytes), sha256(piece))
  t.is(result.bytesSent, PIECE)
  t.is(result.offset, AT + PIECE)
})

test.serial('64 MiB from beyond 4 GiB are sent with bigint offsets', async (t) => {
  const { path, piece } = sparse()
  const { near, received } = await connectedPair(t)
  const options = { offset: BigInt(AT), count: BigInt(PIECE), end: true, bigint: true } as const
  const result = await within(sendfile(near, path, options), 'the transfer')
  await within(received.closed, 'the end of the connection')
  t.is(sha256(received.bytes), sha256(piece))
  t.is(result.bytesSent, BigInt(PIECE))
  t.is(result.offset, BigInt(AT + PIECE))
})

test.serial('64 MiB from a file position beyond 4 GiB are sent', async (t) => {
  const { fd, piece } = sparse()
  const { near, received } = await connectedPair(t)
  t.is(positionOf(fd), AT)
  const result = await within(sendfile(near, fd, { offset: null, count: PIECE, end: true }), 'the transfer')
  await within(received.closed, 'the end of the connection')
  t.is(sha256(received.bytes), sha256(piece))
  t.is(result.bytesSent, PIECE)
  t.is(result.offset, AT + PIECE)
  t.is(positionOf(fd), AT + PIECE)
})

test.serial('one call sends more than 2 GiB', async (t) => {
  const { path, piece } = sparse()
  const count = 2 * GIB + 4096 + PIECE
  const offset = AT + PIECE - count
  const hash = createHash('sha256')
  let hole = count - PIECE
  let dirty = 0
  const check = (chunk: Buffer): void => {
    const zeros = Math.min(hole, chunk.length)
    hole -= zeros
    if (zeros > 0 && chunk.compare(ZEROS, 0, zeros, 0, zeros) !== 0) dirty += 1
    if (zeros < chunk.length) hash.update(chunk.subarray(zeros))
  }
  const server = net.createServer()
  const port = await portOf(server)
  t.teardown(() => server.close())
  const accepted = once(server, 'connection')
  const callback = (size: number, buffer: Buffer | Uint8Array): boolean => {
    check(Buffer.from(buffer.buffer, buffer.byteOffset, size))
    return true
  }
  const far = net.connect({ port, host: '127.0.0.1', onread: { buffer: Buffer.alloc(ZEROS.length), callback } })
  t.teardown(() => void far.destroy())
  const [near] = await accepted
  const closed = once(far, 'close')
  const result = await within(sendfile(near, path, { offset, count, end: true }), 'the transfer', 40_000)
  await within(closed, 'the end of the connection')
  t.is(dirty, 1, 'the byte before the piece is the only one that is no zero')
  t.is(hash.digest('hex'), sha256(piece))
  t.is(result.bytesSent, count)
  t.is(result.offset, AT + PIECE)
})

const ZEROS = Buffer.alloc(4 << 20)

/* ------------------------------------------------------------ positions */

test.serial('offset null moves the position by the bytes sent; a number leaves it unchanged', async (t) => {
  const { near, received } = await connectedPair(t)
  const handle = await open(small.path)
  t.teardown(() => handle.close())
  await handle.read(Buffer.alloc(1000))
  const first = await sendfile(near, handle, { offset: null, count: 5000 })
  t.deepEqual([first.bytesSent, first.offset, positionOf(handle.fd)], [5000, 6000, 6000])
  const second = await sendfile(near, handle, { offset: 77, count: 500_000 })
  t.deepEqual([second.bytesSent, second.offset, positionOf(handle.fd)], [500_000, 500_077, 6000])
  const third = await sendfile(near, handle, { offset: null, end: true })
  t.deepEqual([third.offset, positionOf(handle.fd)], [small.bytes.length, small.bytes.length])
  await within(received.closed, 'the end of the connection')
  const { bytes } = small
  t.is(sha256(received.bytes), sha256(bytes.subarray(1000, 6000), bytes.subarray(77, 500_077), bytes.subarray(6000)))
})

for (const method of ['sendfile', 'copy'] as const) {
  serialBy(method)(
    `offset null moves the position by the bytes sent, also of an aborted transfer (${method})`,
    async (t) => {
      const large = sampleFile(16 << 20, 6)
      const { near, far, received } = await connectedPair(t, { reading: false })
      const handle = await open(large.path)
      t.teardown(() => handle.close())
      await handle.read(Buffer.alloc(1000))
      const abort = new AbortController()
      const transfer = sendfile(near, handle, { offset: null, method, signal: abort.signal })
      await stalled(near)
      abort.abort()
      const error = await t.throwsAsync(transfer, { instanceOf: SendfileError, code: 'ABORT_ERR' })
      const bytesSent = Number(error.bytesSent)
      t.true(bytesSent > 0)
      t.is(Number(error.offset), 1000 + bytesSent)
      t.is(positionOf(handle.fd), 1000 + bytesSent)

      const rest = sendfile(near, handle, { offset: null, method, end: true })
      far.resume()
      await within(rest, 'the rest')
      await within(received.closed, 'the end of the connection')
      t.is(sha256(received.bytes), sha256(large.bytes.subarray(1000)), 'no byte is lost or sent twice')
    },
  )
}

test.serial('two transfers started in one tick run one after the other', async (t) => {
  const { near, received } = await connectedPair(t)
  const two = sampleFile(3 << 20, 7)
  const results = await Promise.all([sendfile(near, small.path), sendfile(near, two.path, { end: true })])
  await within(received.closed, 'the end of the connection')
  t.deepEqual(
    results.map(({ bytesSent }) => bytesSent),
    [small.bytes.length, two.bytes.length],
  )
  t.is(sha256(received.bytes), sha256(small.bytes, two.bytes))
})

/** lseek(2) with SEEK_CUR. */
function positionOf(fd: number): number {
  return Number(/^pos:\s*(\d+)$/m.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1])
}
