// Section 2.13 of the survey, the rows about the end of a transfer and its side effects: aborts, pseudo files, files
// open for appending, one file at both ends.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { open } from 'node:fs/promises'
import { Writable } from 'node:stream'

import test from 'ava'

import { sendfile, SendfileError } from '../../index.ts'
import { collect } from '../fixtures/collect.ts'
import { connectedPair } from '../fixtures/connected-pair.ts'
import { counting } from '../fixtures/counted.ts'
import { Fifo } from '../fixtures/fifo.ts'
import { sampleDirectory, sampleFile, writeSample } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { stalled } from '../fixtures/stalled.ts'
import { engineIdle } from '../fixtures/threads.ts'
import { lineOver } from '../fixtures/transports.ts'
import { within } from '../fixtures/within.ts'

const counted = counting(test)

const large = sampleFile(16 << 20, 18)
const MARK = Buffer.from('and then')

/* ---------------------------------------------------------------- K */

counted(
  '2.13 K: an abort before, during or after a transfer reports the exact bytesSent, and the socket stays usable',
  async (t, scope) => {
    const { near, far, received } = await connectedPair(scope, { reading: false })
    const before = await t.throwsAsync(sendfile(near, large.path, { signal: AbortSignal.abort() }), {
      instanceOf: SendfileError,
    })
    t.like(before, { code: 'ABORT_ERR', bytesSent: 0 })

    const controller = new AbortController()
    const sending = sendfile(near, large.path, { signal: controller.signal, offset: 7 })
    await stalled(near)
    controller.abort()
    const during = await t.throwsAsync(within(sending, 'the abort'), { instanceOf: SendfileError })
    const bytesSent = Number(during?.bytesSent)
    t.like(during, { code: 'ABORT_ERR', name: 'AbortError', offset: 7 + bytesSent })
    t.true(bytesSent > 0 && bytesSent < large.bytes.length)

    const later = new AbortController()
    far.resume()
    near.write(MARK)
    t.like(await within(sendfile(near, large.path, { signal: later.signal, count: 1000 }), 'the next'), {
      bytesSent: 1000,
    })
    later.abort()
    near.end(MARK)
    await within(received.closed, 'the end')
    const expected = [large.bytes.subarray(7, 7 + bytesSent), MARK, large.bytes.subarray(0, 1000), MARK]
    t.is(sha256(received.bytes), sha256(...expected))
  },
)

counted('2.13 K: an abort of a transfer to a pipe or to a file reports the exact bytesSent', async (t, scope) => {
  const fifo = new Fifo(scope)
  const controller = new AbortController()
  const sending = sendfile(fifo.writer, large.path, { signal: controller.signal })
  await engineIdle()
  controller.abort()
  const error = await t.throwsAsync(within(sending, 'the abort'), { instanceOf: SendfileError, code: 'ABORT_ERR' })
  const reader = fifo.stream()
  scope.teardown(() => reader.destroy())
  const received = within(collect(reader), 'the end of the pipe')
  await within(sendfile(fifo.writer, writeSample(MARK)), 'the next one')
  fifo.closeWriter()
  t.is(sha256((await received).bytes), sha256(large.bytes.subarray(0, Number(error?.bytesSent)), MARK))

  const target = `${sampleDirectory()}/aborted`
  const file = await open(target, 'w')
  scope.teardown(() => file.close())
  const soon = new AbortController()
  const copying = sendfile(file, large.path, {
    signal: soon.signal,
    rate: 1 << 20,
    burst: 1 << 19,
    quantum: 1 << 16,
    progressInterval: 1,
    onProgress: () => soon.abort(),
  })
  const cut = await t.throwsAsync(within(copying, 'the abort'), { instanceOf: SendfileError, code: 'ABORT_ERR' })
  const copied = Number(cut?.bytesSent)
  t.true(copied > 0 && copied < large.bytes.length)
  await file.write(MARK)
  t.is(sha256(fs.readFileSync(target)), sha256(large.bytes.subarray(0, copied), MARK))
})

// The destination accepts everything immediately, and the writer never stops.
counted('2.13 K: an abort while another process fills the pipe reports the exact bytesSent', async (t, scope) => {
  const fifo = new Fifo(scope)
  const yes = spawn('yes', { stdio: ['ignore', fifo.writer, 'ignore'] })
  const exit = once(yes, 'exit')
  scope.teardown(async () => {
    yes.kill()
    await exit
  })
  const controller = new AbortController()
  let taken = 0
  const sink = new Writable({
    write: (chunk: Buffer, _encoding, callback) => {
      taken += chunk.length
      setImmediate(() => controller.abort())
      callback()
    },
  })
  const sending = sendfile(sink, fifo.reader, { signal: controller.signal })
  const error = await t.throwsAsync(within(sending, 'the abort'), { instanceOf: SendfileError, code: 'ABORT_ERR' })
  t.is(error?.bytesSent, taken)
  t.true(taken > 0)
})

/* ---------------------------------------------------------------- P */

// They report a size of 0 or of one page; the kernel generates their content when they are read.
for (const path of [
  '/proc/version',
  '/proc/filesystems',
  '/proc/self/limits',
  '/sys/kernel/mm/transparent_hugepage/enabled',
]) {
  counted(`2.13 P: all of ${path} is sent`, async (t, scope) => {
    if (!fs.existsSync(path)) {
      t.log(`skipped: there is no ${path} here`)
      t.pass()
      return
    }
    const expected = fs.readFileSync(path)
    const { near, arrived } = await lineOver(scope, 'tcp')
    const received = arrived()
    t.like(await sendfile(near, path, { end: true }), { bytesSent: expected.length })
    t.is(sha256((await received).bytes), sha256(expected))
    const target = `${sampleDirectory()}/made-up`
    const file = await open(target, 'w')
    scope.teardown(() => file.close())
    t.like(await sendfile(file, path), { bytesSent: expected.length })
    t.is(sha256(fs.readFileSync(target)), sha256(expected))
  })
}

/* ---------------------------------------------------------------- Q */

counted('2.13 Q: a file open for appending receives everything once, at its end', async (t, scope) => {
  const target = writeSample(Buffer.from('before'))
  const file = await open(target, 'a')
  scope.teardown(() => file.close())
  const [headers, trailers] = [Buffer.from('<'), Buffer.from('>')]
  const { bytesSent, method, fallbacks } = await sendfile(file, large.path, { headers, trailers })
  t.deepEqual([bytesSent, method], [large.bytes.length, 'copy'])
  t.is(fallbacks.at(-1)?.to, 'copy')
  t.like(await sendfile(file.fd, large.path, { count: 3 }), { bytesSent: 3 })
  const expected = [Buffer.from('before'), headers, large.bytes, trailers, large.bytes.subarray(0, 3)]
  t.is(sha256(fs.readFileSync(target)), sha256(...expected))
})

/* ---------------------------------------------------------------- R */

for (const method of ['auto', 'copy_file_range', 'sendfile', 'splice', 'copy'] as const) {
  counted.by(method)(`2.13 R: overlapping ranges of one file are refused, by ${method}`, async (t, scope) => {
    const { path, bytes } = sampleFile(10_000, 19)
    const link = `${path}-link`
    fs.linkSync(path, link)
    const file = await open(path, 'r+')
    scope.teardown(() => file.close())
    const appending = await open(link, 'a')
    scope.teardown(() => appending.close())
    const refused = [
      sendfile(file, path, { method }),
      sendfile(file, link, { method, offset: 1 }),
      sendfile(file.fd, file.fd, { method, count: 1 }),
      sendfile(file, file, { method, offset: null }),
      sendfile(file, link, { method, offset: 10, count: 5, headers: Buffer.alloc(10) }),
      // Its end is unknown until it is reached, and appending moves it.
      sendfile(appending, path, { method, offset: 9_999, count: 2 }),
    ]
    for (const [index, sending] of refused.entries()) {
      const error = await t.throwsAsync(within(sending, 'the rejection'), { instanceOf: SendfileError }, `${index}`)
      t.like(error, { code: 'ERR_SENDFILE_OVERLAP', bytesSent: 0 }, `${index}`)
    }
    t.is(sha256(fs.readFileSync(path)), sha256(bytes), 'nothing has been touched')
    t.like(await sendfile(file, link, { method, offset: 10, count: 10 }), { bytesSent: 10 }, 'they only touch')
    const expected = Buffer.concat([bytes.subarray(10, 20), bytes.subarray(10)])
    t.is(sha256(fs.readFileSync(path)), sha256(expected))
  })
}
