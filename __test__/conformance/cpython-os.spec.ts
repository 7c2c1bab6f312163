// CPython, Lib/test/test_os/test_sendfile.py: os.sendfile, which is sendfileSync here; and pysendfile, which it grew from.
// Next to every call of sendfileSync() is the same with sendfile().
//
// 7–11 (headers, trailers and flags of other systems' calls) have no equivalent call on Linux: the options headers and
// trailers are below as pysendfile's cases, flags are left out.
import { existsSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'

import { sendfile, sendfileSync, type SendfileOptions } from '../../index.ts'
import { FALLBACK_CODES, IN_KERNEL, kernelSerial, METHOD } from '../fixtures/executor.ts'
import { sampleBytes, sampleDirectory, sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { warmEngine } from '../fixtures/warm-engine.ts'
import { within } from '../fixtures/within.ts'
import { handleFd, numbered, opened, positionOf, target } from './fixtures/descriptor.ts'
import { line } from './fixtures/line.ts'
import { tidy } from './fixtures/tidy.ts'

const SIZE = 160 * 1024
const STEP = 4096
const file = sampleFile(SIZE)
const HALF = SIZE / 2

test.before(warmEngine)

kernelSerial(
  'CPython os 1: the whole file is sent in steps, each from the offset that the previous step returned',
  tidy(async (t, closing) => {
    const { near, rest } = await line(closing)
    const source = opened(closing, file.path)
    let sent = 0
    for (let offset = 0; offset < SIZE;) {
      const step = sendfileSync(handleFd(near), source, offset, STEP)
      sent += step.bytesSent
      offset = Number(step.offset)
      t.is(offset, sent)
    }
    t.is(sha256(await rest()), sha256(file.bytes))
  }),
)

test.serial(
  'CPython os 1: sendfile() sends the same to the number of the socket and to the socket',
  tidy(async (t, closing) => {
    for (const by of ['number', 'socket']) {
      const { near, rest } = await line(closing)
      for (let offset = 0; offset < SIZE;) {
        const destination = by === 'number' ? numbered(near) : near
        const result = await within(sendfile(destination, file.path, { offset, count: STEP }), 'a step')
        t.like(result, { bytesSent: STEP, offset: offset + STEP, method: METHOD })
        t.is(result.fallbacks.length, FALLBACK_CODES.length)
        offset = result.offset
      }
      t.is(sha256(await rest()), sha256(file.bytes))
    }
  }),
)

test.serial(
  'CPython os 2: from the middle of the file, the peer receives exactly the second half',
  tidy(async (t, closing) => {
    const source = opened(closing, file.path)
    if (IN_KERNEL) {
      const first = await line(closing)
      t.deepEqual(sendfileSync(handleFd(first.near), source, HALF, SIZE), { bytesSent: HALF, offset: SIZE })
      t.is(sha256(await first.rest()), sha256(file.bytes.subarray(HALF)))
    }

    const second = await line(closing)
    t.like(await within(sendfile(second.near, source, { offset: HALF }), 'the transfer'), {
      bytesSent: HALF,
      offset: SIZE,
    })
    t.is(sha256(await second.rest()), sha256(file.bytes.subarray(HALF)))
  }),
)

test.serial(
  'CPython os 3: an offset beyond the end sends 0 bytes without an error',
  tidy(async (t, closing) => {
    const { near, rest } = await line(closing)
    const source = opened(closing, file.path)
    if (IN_KERNEL) {
      t.deepEqual(sendfileSync(handleFd(near), source, SIZE + 4096, 4096), { bytesSent: 0, offset: SIZE + 4096 })
    }
    t.like(await within(sendfile(near, source, { offset: SIZE + 4096 }), 'the transfer'), {
      bytesSent: 0,
      offset: SIZE + 4096,
    })
    t.is((await rest()).length, 0)
  }),
)

// CPython lets the kernel return EINVAL for an offset and refuses a count itself; api.md: both are refused before
// anything is opened.
for (const [title, wrong] of [
  ['CPython os 4: an offset of -1 is refused', { offset: -1, count: STEP }],
  ['CPython os 5: a count of -1 is refused', { offset: 0, count: -1 }],
] as const) {
  test.serial(
    title,
    tidy(async (t, closing) => {
      const { near, rest } = await line(closing)
      const source = opened(closing, file.path)
      t.throws(() => sendfileSync(handleFd(near), source, wrong.offset, wrong.count), {
        instanceOf: RangeError,
        code: 'ERR_OUT_OF_RANGE',
      })
      await t.throwsAsync(within(sendfile(near, source, wrong), 'the refusal'), {
        instanceOf: RangeError,
        code: 'ERR_OUT_OF_RANGE',
      })
      t.is((await rest()).length, 0)
      t.is(positionOf(source), 0)
    }),
  )
}

test.serial(
  'CPython os 6: all options can be passed together by name',
  tidy(async (t, closing) => {
    const { near, body } = await line(closing)
    const received = body()
    const seen: (number | null)[] = []
    const options: SendfileOptions & { bigint: true } = {
      offset: 1000n,
      count: 100_000,
      headers: [Buffer.from('head'), Buffer.from('er')],
      trailers: Buffer.from('trailer'),
      signal: new AbortController().signal,
      stallTimeout: 60_000,
      rate: 2 ** 30,
      burst: 2 ** 20,
      onProgress: ({ bytesSent, total }) => seen.push(bytesSent, total),
      progressInterval: 1,
      method: METHOD,
      quantum: 8192,
      end: true,
      until: IN_KERNEL ? 'acknowledged' : 'queued',
      bigint: true,
    }
    const result = await within(sendfile(near, file.path, options), 'the transfer')
    t.like(result, { bytesSent: 100_000n, offset: 101_000n, method: METHOD, fallbacks: [] })
    t.deepEqual(seen.slice(-2), [100_000, 100_000])
    const calls = IN_KERNEL ? Math.ceil(100_000 / 8192) : 0
    t.true(result.syscalls >= calls, `${result.syscalls} calls of 8192 bytes at most`)
    const { bytes, ended } = await received
    t.true(ended)
    t.is(sha256(bytes), sha256(Buffer.from('header'), file.bytes.subarray(1000, 101_000), Buffer.from('trailer')))
  }),
)

/* ---------------------------------------------------------------- pysendfile, test/test_sendfile.py */

const HEADER = sampleBytes(512, 7)
const TRAILER = sampleBytes(1024, 8)

for (const to of ['socket', 'number', 'file'] as const) {
  test.serial(
    `pysendfile test_header and test_trailer: they surround the file and are not counted, to a ${to}`,
    tidy(async (t, closing) => {
      const connection = await line(closing)
      const out = target(closing)
      const destination = { socket: connection.near, number: numbered(connection.near), file: out.fd }[to]
      for (const part of [{ headers: HEADER }, { trailers: [TRAILER] }, { headers: [HEADER], trailers: TRAILER }]) {
        const result = await within(sendfile(destination, file.path, part), 'the transfer')
        t.like(result, { bytesSent: SIZE, offset: SIZE })
      }
      const bytes = to === 'file' ? out.content() : await connection.rest()
      t.is(sha256(bytes), sha256(HEADER, file.bytes, file.bytes, TRAILER, HEADER, file.bytes, TRAILER))
    }),
  )
}

test.serial(
  'pysendfile test_non_socket: a file receives the same bytes as a socket',
  tidy(async (t, closing) => {
    const [one, other] = [target(closing), target(closing)]
    t.like(await within(sendfile(one.fd, file.path), 'the transfer'), { bytesSent: SIZE, offset: SIZE })
    t.is(sha256(one.content()), sha256(file.bytes))
    if (!IN_KERNEL) return
    t.deepEqual(sendfileSync(other.fd, opened(closing, file.path), 0, SIZE), { bytesSent: SIZE, offset: SIZE })
    t.is(sha256(other.content()), sha256(file.bytes))
  }),
)

// pysendfile: nbytes 0 means "to the end". api.md: a count of 0 sends only headers and trailers.
test.serial(
  'pysendfile test_nbytes_0: a count of 0 sends no byte of the file',
  tidy(async (t, closing) => {
    const { near, rest } = await line(closing)
    const source = opened(closing, file.path)
    if (IN_KERNEL) t.deepEqual(sendfileSync(handleFd(near), source, 10, 0), { bytesSent: 0, offset: 10 })
    const parts = { headers: HEADER, trailers: TRAILER }
    t.like(await within(sendfile(near, source, { offset: 10, count: 0, ...parts }), 'the transfer'), {
      bytesSent: 0,
      offset: 10,
    })
    t.is(sha256(await rest()), sha256(HEADER, TRAILER))
  }),
)

test.serial(
  'pysendfile test_small_file, test_empty_file: any offset sends the rest of the file',
  tidy(async (t, closing) => {
    const small = sampleFile(12, 4)
    const { near, rest } = await line(closing)
    const at = async (path: string, offset: number): Promise<number> =>
      (await within(sendfile(near, path, { offset }), 'the transfer')).bytesSent
    t.is(await at(small.path, 0), 12)
    t.is(await at(small.path, 4), 8)
    t.is(await at(small.path, 12), 0)
    t.is(await at(small.path, 4096), 0)
    t.is(await at(sampleFile(0).path, 0), 0)
    t.is(sha256(await rest()), sha256(small.bytes, small.bytes.subarray(4)))
  }),
)

test.serial(
  'pysendfile test_offset_none: null uses the position of the file and moves it',
  tidy(async (t, closing) => {
    const { near, rest } = await line(closing)
    const source = opened(closing, file.path)
    if (IN_KERNEL) t.deepEqual(sendfileSync(handleFd(near), source, null, STEP), { bytesSent: STEP, offset: null })
    else t.is((await within(sendfile(near, source, { offset: null, count: STEP }), 'a step')).bytesSent, STEP)
    t.is(positionOf(source), STEP)
    t.like(await within(sendfile(near, source, { offset: null, count: STEP }), 'the transfer'), {
      bytesSent: STEP,
      offset: 2 * STEP,
    })
    t.is(positionOf(source), 2 * STEP)
    t.is(sha256(await rest()), sha256(file.bytes.subarray(0, 2 * STEP)))
  }),
)

test.serial(
  'pysendfile TestLargeFile: 2.5 GB are counted completely and end with the right bytes',
  tidy(async (t, closing) => {
    const size = 2_500_000_000
    const end = sampleBytes(300_000, 9)
    // On tmpfs a hole costs no memory and almost no time.
    const path = join(existsSync('/dev/shm') ? '/dev/shm' : sampleDirectory(), `sendfile64-large-${process.pid}`)
    const writing = opened(closing, path, 'w')
    closing.teardown(() => rmSync(path))
    writeSync(writing, end, 0, end.length, size - end.length)
    const nowhere = opened(closing, '/dev/null', 'w')
    t.like(await within(sendfile(nowhere, path, { method: METHOD }), 'the transfer', 40_000), {
      bytesSent: size,
      offset: size,
    })
    const { near, rest } = await line(closing)
    await within(sendfile(near, path, { offset: size - 1_000_000 }), 'the end of the file')
    t.is(sha256(await rest()), sha256(Buffer.alloc(700_000), end))
  }),
)
