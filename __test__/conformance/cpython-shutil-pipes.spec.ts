// CPython, Lib/test/test_shutil.py, TestZeroCopySendfile: sources and destinations that are not regular files.
import { readSync } from 'node:fs'
import { constants } from 'node:os'
import test from 'ava'

import { sendfile } from '../../index.ts'
import { canForce, serialBy } from '../fixtures/executor.ts'
import { sampleBytes, sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { engineIdle } from '../fixtures/threads.ts'
import { warmEngine } from '../fixtures/warm-engine.ts'
import { within } from '../fixtures/within.ts'
import { copied, failure } from './fixtures/copied.ts'
import { drained, fed, opened, pipe, positionOf, readOver } from './fixtures/descriptor.ts'
import { tidy } from './fixtures/tidy.ts'

const SIZE = 3 * 2 ** 20 + 1
const file = sampleFile(SIZE)
const HEADER = sampleBytes(100, 2)

test.before(warmEngine)

test.serial(
  'CPython shutil 50: a source that is not a regular file is copied',
  tidy(async (t, closing) => {
    const ends = pipe(closing)
    fed(ends, file.bytes)
    t.like(await copied(t, closing, ends.readEnd, file.bytes), { method: 'copy' })
  }),
)

// shutil falls back immediately; api.md: the kernel can send to a pipe.
test.serial(
  'CPython shutil 51: a destination that is not a regular file receives every byte',
  tidy(async (t, closing) => {
    for (const method of (['auto', 'sendfile', 'splice', 'copy'] as const).filter(canForce)) {
      const ends = pipe(closing)
      const read = drained(ends)
      const result = await within(sendfile(ends.writeEnd, file.path, { method }), 'the transfer')
      t.like(result, { bytesSent: SIZE, offset: SIZE })
      if (method !== 'auto') t.like(result, { method, fallbacks: [] })
      ends.closeWriteEnd()
      t.is(sha256((await read).bytes), sha256(file.bytes))
    }
  }),
)

// shutil's EBADF comes from a mock. A reader that closes the pipe causes a late error without one.
for (const method of ['auto', 'sendfile', 'splice', 'copy'] as const) {
  serialBy(method)(
    `CPython shutil 52: an error of a later call rejects, and no byte is sent again, by ${method}`,
    tidy(async (t, closing) => {
      const ends = pipe(closing)
      const source = opened(closing, file.path)
      const transfer = failure(t, sendfile(ends.writeEnd, source, { offset: null, method }))
      await engineIdle() // JavaScript cannot fill a pipe while it waits in a call
      const read = Buffer.alloc(5000)
      t.is(readSync(ends.readEnd, read), read.length)
      t.is(sha256(read), sha256(file.bytes.subarray(0, read.length)))
      ends.closeReadEnd()
      const error = await transfer
      t.like(error, { code: 'EPIPE', errno: -constants.errno.EPIPE })
      const bytesSent = Number(error?.bytesSent)
      // The capacity of a pipe (pipe(7)) and the bytes read from it, less some pages.
      t.true(bytesSent >= 65_536 - 4096 && bytesSent <= 65_536 + 3 * 4096, `${bytesSent} bytes`)
      t.is(error?.offset, bytesSent)
      t.is(positionOf(source), bytesSent)
    }),
  )
}

for (const cut of ['stall', 'abort'] as const) {
  test.serial(
    `CPython shutil 50: between two pipes, the error after an interruption (${cut}) has the exact number of bytes written`,
    tidy(async (t, closing) => {
      const [from, to] = [pipe(closing), pipe(closing)]
      fed(from, file.bytes)
      const abort = new AbortController()
      const options = cut === 'stall' ? { stallTimeout: 50 } : { signal: abort.signal }
      const transfer = failure(t, sendfile(to.writeEnd, from.readEnd, { ...options, headers: HEADER }))
      const early = cut === 'stall' ? Buffer.alloc(0) : await readOver(closing, to.path, HEADER.length)
      abort.abort()
      const error = await transfer
      t.is(error?.code, cut === 'stall' ? 'ERR_SENDFILE_STALLED' : 'ABORT_ERR')
      const read = drained(to)
      to.closeWriteEnd()
      const bytes = Buffer.concat([early, (await read).bytes])
      t.true(bytes.length > HEADER.length)
      t.is(error?.bytesSent, bytes.length - HEADER.length)
      t.is(sha256(bytes), sha256(HEADER, file.bytes.subarray(0, bytes.length - HEADER.length)))
    }),
  )
}
