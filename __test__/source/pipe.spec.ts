import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'

import test, { type ExecutionContext } from 'ava'

import { sendfile } from '../../index.ts'
import { connectedPair } from '../fixtures/connected-pair.ts'
import { countDescriptors, descriptorsSettleAt, restingDescriptors } from '../fixtures/descriptors.ts'
import { fallbackCode } from '../fixtures/executor.ts'
import { OwnDescriptor } from '../fixtures/own-descriptor.ts'
import { sampleBytes, sampleDirectory } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { engineIdle } from '../fixtures/threads.ts'
import { warmEngine } from '../fixtures/warm-engine.ts'
import { within } from '../fixtures/within.ts'

const { O_RDONLY, O_WRONLY, O_NONBLOCK } = fs.constants
const TAIL = Buffer.from('the destination goes on')
let fifos = 0

function makeFifo(): string {
  const path = `${sampleDirectory()}/source-${fifos++}.fifo`
  execFileSync('mkfifo', [path])
  return path
}

/** Both ends of a FIFO, the reading one in blocking mode, as from a shell; closed with the test. */
function openFifo(t: ExecutionContext): { reader: OwnDescriptor; writer: OwnDescriptor } {
  const path = makeFifo()
  const first = fs.openSync(path, O_RDONLY | O_NONBLOCK)
  const writer = new OwnDescriptor(fs.openSync(path, O_WRONLY))
  const reader = new OwnDescriptor(fs.openSync(path, O_RDONLY))
  fs.closeSync(first)
  t.teardown(() => {
    reader.close()
    writer.close()
  })
  return { reader, writer }
}

test.before(async () => {
  await warmEngine()
  await restingDescriptors()
})

test.serial('a pipe is read until its last writer closes it', async (t) => {
  const { reader, writer } = openFifo(t)
  const { near, received } = await connectedPair(t)
  const bytes = sampleBytes(1_000_003)
  const sending = sendfile(near, reader.fd)
  await writer.write(bytes)
  writer.close()
  const result = await within(sending, 'the transfer')
  t.like(result, { bytesSent: bytes.length, offset: bytes.length, method: 'copy' })
  t.deepEqual(
    result.fallbacks.map(({ from, to, code }) => [from, to, code]),
    [['sendfile', 'copy', fallbackCode('FILESYSTEM')]],
  )
  near.end()
  await within(received.closed, 'the end')
  t.is(sha256(received.bytes), sha256(bytes))
})

for (const offset of [0, null]) {
  test.serial(
    `count reads exactly that many bytes of a pipe with offset ${offset}; the next reader gets the next byte`,
    async (t) => {
      const { reader, writer } = openFifo(t)
      const { near, received } = await connectedPair(t)
      const bytes = sampleBytes(50_000)
      await writer.write(bytes)
      const first = await within(sendfile(near, reader.fd, { offset, count: 20_001 }), 'the transfer')
      t.is(first.bytesSent, 20_001)
      const next = Buffer.alloc(9)
      t.is(fs.readSync(reader.fd, next), 9)
      t.deepEqual(next, bytes.subarray(20_001, 20_010))
      const second = await within(sendfile(near, reader.fd, { offset, count: 29_990 }), 'the next transfer')
      t.is(second.bytesSent, 29_990)
      near.end()
      await within(received.closed, 'the end')
      t.is(sha256(received.bytes), sha256(bytes.subarray(0, 20_001), bytes.subarray(20_010)))
    },
  )
}

test.serial('a pipe that ends before count rejects as truncated, with the bytes sent', async (t) => {
  const { reader, writer } = openFifo(t)
  const { near, received } = await connectedPair(t)
  await writer.write(Buffer.from('short'))
  writer.close()
  const error = await t.throwsAsync(within(sendfile(near, reader.fd, { count: 6 }), 'the end'), {
    code: 'ERR_SENDFILE_TRUNCATED',
  })
  t.like(error, { bytesSent: 5, offset: 5 })
  near.end(TAIL)
  await within(received.closed, 'the end')
  t.is(sha256(received.bytes), sha256(Buffer.from('short'), TAIL))
})

test.serial('a FIFO whose writers closed it before the call is read to its end', async (t) => {
  const { reader, writer } = openFifo(t)
  const { near, received } = await connectedPair(t)
  const bytes = sampleBytes(60_000)
  await writer.write(bytes)
  writer.close()
  t.is((await within(sendfile(near, reader.fd), 'the transfer')).bytesSent, bytes.length)
  t.is((await within(sendfile(near, reader.fd), 'an empty transfer')).bytesSent, 0)
  near.end()
  await within(received.closed, 'the end')
  t.is(sha256(received.bytes), sha256(bytes))
})

test.serial('an abort ends the wait for an empty pipe', async (t) => {
  const { reader, writer } = openFifo(t)
  const { near, received } = await connectedPair(t)
  const before = countDescriptors()
  const controller = new AbortController()
  const sending = sendfile(near, reader.fd, { signal: controller.signal })
  await writer.write(Buffer.from('some'))
  await within(received.reaches(4), 'what there was')
  controller.abort()
  const error = await t.throwsAsync(within(sending, 'the rejection'), { code: 'ABORT_ERR' })
  t.like(error, { bytesSent: 4, offset: 4 })
  t.is(await descriptorsSettleAt(before), before)
  await writer.write(Buffer.from('rest'))
  const next = Buffer.alloc(8)
  t.is(fs.readSync(reader.fd, next), 4)
  t.is(next.toString('latin1', 0, 4), 'rest', 'what came after the abort is for the next reader')
  near.end(TAIL)
  await within(received.closed, 'the end')
  t.is(sha256(received.bytes), sha256(Buffer.from('some'), TAIL))
})

test.serial('a FIFO opened by path waits for its first writer', async (t) => {
  const path = makeFifo()
  const { near, received } = await connectedPair(t)
  let settled = false
  const sending = sendfile(near, path).finally(() => {
    settled = true
  })
  await engineIdle()
  await within(fs.promises.stat(path), 'the threads of libuv')
  t.false(settled, 'an empty pipe without a writer so far has not ended')
  const bytes = sampleBytes(200_000)
  await fs.promises.writeFile(path, bytes)
  t.is((await within(sending, 'the transfer')).bytesSent, bytes.length)
  near.end()
  await within(received.closed, 'the end')
  t.is(sha256(received.bytes), sha256(bytes))
})

test.serial('a pipe of a child process can be a source', async (t) => {
  const { near, received } = await connectedPair(t)
  const path = makeFifo()
  const child = spawn('sh', ['-c', 'head -c 300000 /dev/zero | tr "\\0" "x" > "$0"', path])
  t.teardown(() => child.kill('SIGKILL'))
  const closed = once(child, 'close')
  t.is((await within(sendfile(near, path), 'the transfer')).bytesSent, 300_000)
  await within(closed, 'the child')
  near.end()
  await within(received.closed, 'the end')
  t.is(sha256(received.bytes), sha256(Buffer.alloc(300_000, 'x')))
})

test.serial('an offset other than 0 is refused for a pipe, and nothing is read', async (t) => {
  const { reader, writer } = openFifo(t)
  const { near, received } = await connectedPair(t)
  await writer.write(Buffer.from('untouched'))
  const before = countDescriptors()
  for (const offset of [5, 5n, 1]) {
    const error = await t.throwsAsync(sendfile(near, reader.fd, { offset }), { code: 'ERR_INVALID_ARG_VALUE' })
    t.regex(error?.message ?? '', /^The property 'options\.offset' must be 0 or null for a pipe/)
  }
  t.is(await descriptorsSettleAt(before), before)
  const found = Buffer.alloc(20)
  t.is(fs.readSync(reader.fd, found), 9)
  near.end()
  await within(received.closed, 'the end')
  t.is(received.length, 0)
})

test.serial('a forced method other than copying is refused for a pipe, and nothing is read', async (t) => {
  const { reader, writer } = openFifo(t)
  const { near } = await connectedPair(t)
  await writer.write(Buffer.from('untouched'))
  for (const options of [{ method: 'sendfile' }, { method: 'splice' }, { until: 'acknowledged' }] as const) {
    await t.throwsAsync(within(sendfile(near, reader.fd, options), 'the refusal'), { code: 'ERR_SENDFILE_UNSUPPORTED' })
  }
  t.is(fs.readSync(reader.fd, Buffer.alloc(20)), 9)
})

test.serial('a pipe is sent to a pipe and to a file', async (t) => {
  const from = openFifo(t)
  const to = openFifo(t)
  const bytes = sampleBytes(40_000)
  await from.writer.write(bytes)
  const options = { count: bytes.length / 2, headers: TAIL }
  await within(sendfile(to.writer.fd, from.reader.fd, options), 'to the pipe')
  const found = Buffer.alloc(bytes.length)
  const length = fs.readSync(to.reader.fd, found)
  t.is(sha256(found.subarray(0, length)), sha256(TAIL, bytes.subarray(0, 20_000)))
  const path = `${sampleDirectory()}/from-pipe`
  const handle = await fs.promises.open(path, 'w')
  await within(sendfile(handle, from.reader.fd, { ...options, end: true }), 'to the file')
  t.is(sha256(fs.readFileSync(path)), sha256(TAIL, bytes.subarray(20_000)))
})
