// CPython, Lib/test/test_shutil.py, TestZeroCopySendfile: shutil.copyfile(), which is sendfile() to an open file here.
//
// The origin mocks os.sendfile and os.fstat. Here the kernel itself returns these results: a file open for appending, a
// full device, files of /proc and /sys whose reported sizes are wrong.
import { existsSync, readFileSync, readSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { constants } from 'node:os'
import test from 'ava'

import { sendfile } from '../../index.ts'
import { run } from '../fixtures/child-process.ts'
import { fallbackCode, IN_KERNEL } from '../fixtures/executor.ts'
import { sampleBytes, sampleFile, writeSample } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { warmEngine } from '../fixtures/warm-engine.ts'
import { within } from '../fixtures/within.ts'
import { asBest, copied, failure, METHODS } from './fixtures/copied.ts'
import { freshPath, opened, positionOf, target } from './fixtures/descriptor.ts'
import { tidy } from './fixtures/tidy.ts'

const SIZE = 3 * 2 ** 20 + 1
const file = sampleFile(SIZE)

test.before(warmEngine)

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
