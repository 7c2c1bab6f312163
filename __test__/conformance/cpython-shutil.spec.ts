// CPython, Lib/test/test_shutil.py, TestZeroCopySendfile: shutil.copyfile(), which is sendfile() to an open file here.
//
// The origin mocks os.sendfile and os.fstat. Here the kernel itself returns these results: a file open for appending, a
// full device, files of /proc and /sys whose reported sizes are wrong.
import { existsSync, readFileSync, readSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { constants } from 'node:os'
import test, { type ExecutionContext } from 'ava'

import { sendfile, SendfileError, type SendfileOptions, type SendfileResult } from '../../index.ts'
import { run } from '../fixtures/child-process.ts'
import {
  canForce,
  FALLBACK_CODES,
  fallbackCode,
  FILE_METHOD,
  IN_KERNEL,
  kernelSerial,
  serialBy,
} from '../fixtures/executor.ts'
import { sampleBytes, sampleFile, writeSample } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { engineIdle } from '../fixtures/threads.ts'
import { warmEngine } from '../fixtures/warm-engine.ts'
import { within } from '../fixtures/within.ts'
import { drained, fed, freshPath, opened, pipe, positionOf, readOver, target } from './fixtures/descriptor.ts'
import { type Closing, tidy } from './fixtures/tidy.ts'

const SIZE = 3 * 2 ** 20 + 1
const file = sampleFile(SIZE)
const HEADER = sampleBytes(100, 2)
/** Methods that can be forced. */
const METHODS = (['copy_file_range', 'sendfile', 'splice', 'copy'] as const).filter(canForce)

test.before(warmEngine)

/** Copies to a new file and checks its content. */
async function copied(
  t: ExecutionContext,
  closing: Closing,
  source: string | number,
  bytes: Uint8Array,
  options: SendfileOptions = {},
): Promise<SendfileResult> {
  const { fd, content } = target(closing)
  const result = await within(sendfile(fd, source, options), 'the copy')
  t.like(result, { bytesSent: bytes.length, offset: bytes.length })
  t.is(positionOf(fd), bytes.length)
  t.is(sha256(content()), sha256(bytes))
  return result
}

/** The best method is used without a fallback. */
async function asBest(t: ExecutionContext, copy: Promise<SendfileResult>): Promise<void> {
  const { method, fallbacks } = await copy
  t.is(method, FILE_METHOD)
  t.deepEqual(
    fallbacks.map(({ code }) => code),
    [...FALLBACK_CODES],
  )
}

function failure(t: ExecutionContext, transfer: Promise<SendfileResult>): Promise<SendfileError | undefined> {
  return t.throwsAsync(within(transfer, 'the failure'), { instanceOf: SendfileError })
}

// shutil.copyfile() calls sendfile(2); between two files of one filesystem, copy_file_range(2) is better.
test.serial(
  'CPython shutil 43: copying a regular file needs no fallback',
  tidy(async (t, closing) => {
    await asBest(t, copied(t, closing, file.path, file.bytes))
    for (const method of METHODS) {
      t.like(await copied(t, closing, file.path, file.bytes, { method }), { method, fallbacks: [] })
    }
  }),
)

test.serial(
  'CPython shutil 43: copying to a FileHandle with `end` closes it',
  tidy(async (t) => {
    const path = freshPath('target')
    const handle = await open(path, 'w')
    await asBest(t, within(sendfile(handle, file.path, { end: true }), 'the copy'))
    t.is(handle.fd, -1)
    t.is(sha256(readFileSync(path)), sha256(file.bytes))
  }),
)

// shutil refuses one file under two names; api.md: overlapping ranges under any name.
test.serial(
  'CPython shutil 44: copying a file to itself is refused, and the file stays unchanged',
  tidy(async (t, closing) => {
    const bytes = sampleBytes(10_000, 5)
    const path = writeSample(bytes)
    const out = opened(closing, path, 'r+')
    for (const method of ['auto', 'copy'] as const) {
      const error = await failure(t, sendfile(out, path, { method }))
      t.like(error, { code: 'ERR_SENDFILE_OVERLAP', bytesSent: 0, offset: 0 })
    }
    t.is(positionOf(out), 0)
    t.is(sha256(readFileSync(path)), sha256(bytes))

    readSync(out, Buffer.alloc(10_000))
    t.like(await within(sendfile(out, path, { count: 10_000 }), 'the copy'), { bytesSent: 10_000 })
    t.is(sha256(readFileSync(path)), sha256(bytes, bytes))
  }),
)

test.serial(
  'CPython shutil 45: a source that does not exist rejects with ENOENT',
  tidy(async (t, closing) => {
    const { fd, content } = target(closing)
    const path = freshPath('nothing')
    const error = await failure(t, sendfile(fd, path))
    t.like(error, { code: 'ENOENT', errno: -constants.errno.ENOENT, syscall: 'open', path, bytesSent: 0, offset: 0 })
    t.is(content().length, 0)
    t.false(existsSync(path))
  }),
)

test.serial(
  'CPython shutil 46: an empty file is copied',
  tidy(async (t, closing) => {
    const nothing = Buffer.alloc(0)
    await asBest(t, copied(t, closing, sampleFile(0).path, nothing))
  }),
)

test.serial(
  'CPython shutil 47: an exception of the caller is passed on unchanged',
  tidy(async (t, closing) => {
    const { fd, content } = target(closing)
    const thrown = new Error('an unknown kind of error')
    const transfer = sendfile(fd, file.path, {
      quantum: 65_536,
      rate: 2 ** 22,
      burst: 65_536,
      progressInterval: 1,
      onProgress: () => {
        throw thrown
      },
    })
    const error = await t.throwsAsync(within(transfer, 'the failure'))
    t.is(error, thrown)
    t.false('bytesSent' in thrown, 'what is thrown is not ours to write to')
    const { length } = content()
    t.true(length > 0 && length < SIZE, `${length} bytes`)
    t.is(sha256(content()), sha256(file.bytes.subarray(0, length)))
  }),
)

// api.md: a file open for appending receives the bytes once, after its content.
test.serial(
  'CPython shutil 48: after EINVAL from the first call, everything is copied',
  tidy(async (t, closing) => {
    const { path, content } = target(closing)
    const out = opened(closing, path, 'a')
    const result = await within(sendfile(out, file.path), 'the copy')
    t.like(result, { bytesSent: SIZE, offset: SIZE, method: 'copy' })
    t.deepEqual(
      result.fallbacks.map(({ from, code }) => `${from}: ${code}`),
      IN_KERNEL ? ['copy_file_range: EBADF', 'sendfile: EINVAL'] : ['copy_file_range: PLATFORM'],
    )
    t.is(sha256(content()), sha256(file.bytes))
  }),
)

test.serial(
  'CPython shutil 49: a full device rejects with ENOSPC',
  tidy(async (t, closing) => {
    const full = opened(closing, '/dev/full', 'w')
    const source = opened(closing, file.path)
    const error = await failure(t, sendfile(full, source, { offset: null }))
    t.like(error, { code: 'ENOSPC', errno: -constants.errno.ENOSPC, syscall: 'write', bytesSent: 0, offset: 0 })
    t.is(positionOf(source), 0)
  }),
)

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

test.serial(
  'CPython shutil 53: a file of unknown size is copied to its end',
  tidy(async (t, closing) => {
    // 0 bytes long, by fstat(2)
    const path = '/proc/version'
    const totals: (number | null)[] = []
    await copied(t, closing, path, readFileSync(path), { onProgress: ({ total }) => totals.push(total) })
    t.true(totals.length > 0 && totals.slice(0, -1).every((total) => total === null))
  }),
)

// The origin mocks a small st_size, from which it computes its blocks; here the quantum is used. Files of /proc report
// a small size anyway.
test.serial(
  'CPython shutil 54: blocks smaller than the file copy all of it',
  tidy(async (t, closing) => {
    const small = sampleFile(300_001)
    for (const method of METHODS) {
      const { syscalls } = await copied(t, closing, small.path, small.bytes, { method, quantum: 1000 })
      t.true(syscalls >= (IN_KERNEL ? 301 : 0), `${syscalls} calls`)
    }
    const symbols = '/proc/kallsyms'
    await copied(t, closing, symbols, readFileSync(symbols))
  }),
)

// A file of /sys reports a size of one page, regardless of its content.
test.serial(
  'CPython shutil 55: blocks and a size larger than the file copy all of it',
  tidy(async (t, closing) => {
    for (const method of METHODS) {
      await copied(t, closing, file.path, file.bytes, { method, quantum: 0x7ffff000 })
    }
    const attribute = '/sys/devices/system/cpu/online'
    await copied(t, closing, attribute, readFileSync(attribute))
  }),
)

// shutil: at least 8 MiB. Here 1 MiB, so that other transfers are not delayed (lib/options/sendfile.ts).
kernelSerial(
  'CPython shutil 56: the size of the blocks is the quantum',
  tidy(async (t, closing) => {
    const byDefault = await copied(t, closing, file.path, file.bytes, { method: 'sendfile' })
    t.true(byDefault.syscalls >= 4, `${byDefault.syscalls} calls of 1 MiB at most`)
    const atOnce = await copied(t, closing, file.path, file.bytes, { method: 'sendfile', quantum: 2 ** 23 })
    t.true(atOnce.syscalls < byDefault.syscalls, `${atOnce.syscalls} calls of 8 MiB at most`)
  }),
)

// shutil remembers ENOTSOCK, which Linux never returns. api.md: an error for one pair of descriptors does not affect
// others, unless the kernel lacks the call.
test.serial(
  'CPython shutil 57: a refusal is remembered only if it applies to every transfer',
  tidy(async (t, closing) => {
    const appending = opened(closing, freshPath('target'), 'a')
    t.is((await within(sendfile(appending, file.path), 'the copy')).method, 'copy')
    await asBest(t, copied(t, closing, file.path, file.bytes))

    const env = { SENDFILE64_WITHOUT: 'sendfile' }
    const { code, stdout } = await run(closing, 'one-transfer.ts', [file.path], { env }).exit
    t.is(code, 0)
    t.like(JSON.parse(stdout), { bytesSent: SIZE, method: 'copy', fallbacks: [{ code: fallbackCode('ENOSYS') }] })
  }),
)

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
