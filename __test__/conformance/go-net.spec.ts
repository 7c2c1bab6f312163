// Go's net/sendfile_test.go: the basis of http.ServeContent and io.Copy. A time limit is a signal here, a reader that
// stops after some bytes is `count`, and `result.method` replaces the hook that reports the use of sendfile(2).
import fs from 'node:fs'
import { open } from 'node:fs/promises'

import test from 'ava'

import { sendfile, SendfileError } from '../../index.ts'
import { counting } from '../fixtures/counted.ts'
import { FALLBACK_CODES, METHOD } from '../fixtures/executor.ts'
import { Fifo } from '../fixtures/fifo.ts'
import { attemptAll, cannotLaunch } from '../fixtures/launched.ts'
import { sampleBytes, sampleDirectory, sampleFile, writeSample } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { lineOver, TRANSPORTS } from '../fixtures/transports.ts'
import { until, within } from '../fixtures/within.ts'

const counted = counting(test)

/** As long as Newton.txt of the original. */
const newton = sampleFile(567_198)
const SIZE = newton.bytes.length

for (const transport of TRANSPORTS) {
  counted(`Go 77: TestSendfile, ${transport}`, async (t, scope) => {
    const { near, arrived } = await lineOver(scope, transport)
    const received = arrived()
    const { bytesSent, method, fallbacks } = await sendfile(near, newton.path, { end: true })
    t.deepEqual([bytesSent, method, fallbacks.length], [SIZE, METHOD, FALLBACK_CODES.length])
    t.is(sha256((await received).bytes), sha256(newton.bytes))
  })

  counted(`Go 78: TestSendfileWithExactLimit, ${transport}`, async (t, scope) => {
    const { near, arrived } = await lineOver(scope, transport)
    const received = arrived()
    t.like(await sendfile(near, newton.path, { count: SIZE, end: true }), { bytesSent: SIZE, method: METHOD })
    t.is(sha256((await received).bytes), sha256(newton.bytes))
  })

  // Go reports success; by api.md a count beyond the end is an error after the last byte.
  counted(`Go 79: TestSendfileWithLimitLargerThanFile, ${transport}`, async (t, scope) => {
    const { near, arrived } = await lineOver(scope, transport)
    const received = arrived()
    const error = await t.throwsAsync(within(sendfile(near, newton.path, { count: SIZE * 2, end: true }), 'the end'), {
      instanceOf: SendfileError,
    })
    t.like(error, { code: 'ERR_SENDFILE_TRUNCATED', bytesSent: SIZE, offset: SIZE })
    t.false(near.writableEnded, 'only a success ends the destination')
    near.end()
    t.is(sha256((await received).bytes), sha256(newton.bytes))
  })
}

counted('Go 81: TestSendfileParts', async (t, scope) => {
  const file = await open(writeSample(Buffer.from('Produced by')))
  scope.teardown(() => file.close())
  const { near, arrived } = await lineOver(scope, 'tcp')
  const received = arrived()
  for (const offset of [3, 6, 9]) {
    t.like(await sendfile(near, file, { offset: null, count: 3 }), { bytesSent: 3, offset, method: METHOD })
  }
  near.end()
  t.is((await received).bytes.toString(), 'Produced ')
})

counted('Go 82: TestSendfileSeeked', async (t, scope) => {
  const [size, seekTo] = [65 << 10, 10 << 10]
  const { path, bytes } = sampleFile(size, 82)
  const file = await open(path)
  scope.teardown(() => file.close())
  await file.read({ buffer: Buffer.alloc(seekTo), position: null }) // Node has no lseek(2)
  const { near, arrived } = await lineOver(scope, 'tcp')
  const received = arrived()
  t.like(await sendfile(near, file, { offset: null, end: true }), {
    bytesSent: size - seekTo,
    offset: size,
    method: METHOD,
  })
  t.is(sha256((await received).bytes), sha256(bytes.subarray(seekTo)))
})

counted('Go 83: TestSendfilePipe, a source pipe keeps its mode', async (t, scope) => {
  const fifo = new Fifo(scope)
  const flags = flagsOf(fifo.reader)
  const { near, arrived } = await lineOver(scope, 'tcp')
  const received = arrived()
  const content = sampleBytes(200_000, 83)
  const sending = sendfile(near, fifo.reader, { end: true })
  const written = writeAll(fifo.writer, content)
  await written
  t.is(flagsOf(fifo.reader), flags, 'O_NONBLOCK belongs to everybody who shares the pipe')
  fifo.closeWriter()
  t.like(await within(sending, 'the end of the pipe'), { bytesSent: content.length, method: 'copy' })
  t.is(flagsOf(fifo.reader), flags)
  t.is(sha256((await received).bytes), sha256(content))
})

counted('Go 83: TestSendfilePipe, a limit or a late close ends the transfer', async (t, scope) => {
  const fifo = new Fifo(scope)
  const { near, arrived } = await lineOver(scope, 'tcp')
  const received = arrived()
  const controller = new AbortController()
  const aborted = sendfile(near, fifo.reader, { signal: controller.signal })
  await writeAll(fifo.writer, Buffer.from('hello'))
  await until(() => near.bytesWritten >= 5, 'the first bytes')
  controller.abort()
  const error = await t.throwsAsync(within(aborted, 'the abort'), { instanceOf: SendfileError, code: 'ABORT_ERR' })
  t.is(error?.bytesSent, 5)
  const closed = sendfile(near, fifo.reader, { end: true })
  fifo.closeWriter()
  t.like(await within(closed, 'the end of the pipe'), { bytesSent: 0 })
  t.is((await received).bytes.toString(), 'hello')
})

// Go's deadline in the past; here the signal has fired before the call.
counted('Go 84: TestSendfileOnWriteTimeoutExceeded', async (t, scope) => {
  const { near, arrived } = await lineOver(scope, 'tcp')
  const received = arrived()
  const reason = new DOMException('too late', 'TimeoutError')
  const error = await t.throwsAsync(sendfile(near, newton.path, { signal: AbortSignal.abort(reason) }), {
    instanceOf: SendfileError,
  })
  t.like(error, { code: 'ABORT_ERR', name: 'AbortError', bytesSent: 0 })
  t.is(error?.cause, reason)
  near.end()
  t.is((await received).bytes.length, 0)
})

counted('Go 85: TestCopyFromTTY', async (t, scope) => {
  const reason = cannotLaunch()
  if (reason !== undefined) {
    t.log(`skipped: ${reason}`)
    t.pass()
    return
  }
  const path = `${sampleDirectory()}/from-terminal`
  const feed = { fd: 100, text: 'typed' }
  const attempts = [{ name: 'terminal', out: `${path}|w`, source: 101, options: { count: 5 }, feed }]
  const { ended, left } = await attemptAll(scope, ['--open', 'terminal=100,101'], attempts)
  t.like(ended.get('terminal'), { code: 'ok', bytesSent: 5, method: 'copy' })
  t.is(fs.readFileSync(path, 'latin1'), 'typed')
  t.is(left, 0)
})

/** The file status flags of the open file description: proc(5), /proc/pid/fdinfo. */
function flagsOf(fd: number): string {
  return /^flags:\s*(\d+)$/m.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1] ?? ''
}

/** From a thread of the pool, since a pipe may be full. */
async function writeAll(fd: number, bytes: Buffer): Promise<void> {
  for (let rest = bytes; rest.length > 0;) {
    const chunk = rest
    const written = await new Promise<number>((resolve, reject) => {
      fs.write(fd, chunk, (error, count) => (error === null ? resolve(count) : reject(error)))
    })
    rest = rest.subarray(written)
  }
}
