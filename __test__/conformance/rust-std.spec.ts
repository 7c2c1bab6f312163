// Rust std, library/std/src/sys/io/kernel_copy/linux/tests.rs: io::copy(), which is sendfile() between descriptors here.
import { readSync, writeFileSync, writeSync } from 'node:fs'
import test from 'ava'

import { sendfile } from '../../index.ts'
import { FALLBACK_CODES, serialBy } from '../fixtures/executor.ts'
import { sampleBytes, sampleFile, writeSample } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { warmEngine } from '../fixtures/warm-engine.ts'
import { within } from '../fixtures/within.ts'
import { drained, opened, pipe, positionOf, target } from './fixtures/descriptor.ts'
import { tidy } from './fixtures/tidy.ts'

const SIZE = 65_000
const file = sampleFile(SIZE)
const BEFORE = sampleBytes(1000, 2)
const AFTER = sampleBytes(1000, 3)

test.before(warmEngine)

// The buffers of BufReader and BufWriter in io::copy() are headers and trailers here.
for (const method of ['auto', 'copy_file_range', 'sendfile', 'splice', 'copy'] as const) {
  serialBy(method)(
    `Rust std 102: limits, buffered bytes and the positions of both files, by ${method}`,
    tidy(async (t, closing) => {
      const source = opened(closing, file.path)
      const out = target(closing)
      writeSync(out.fd, BEFORE)
      readSync(source, Buffer.alloc(3000))

      const limited = { offset: null, count: 40_000, headers: BEFORE, trailers: [AFTER, AFTER], method }
      const first = await within(sendfile(out.fd, source, limited), 'the limited copy')
      t.like(first, { bytesSent: 40_000, offset: 43_000 })
      t.is(first.fallbacks.length, method === 'auto' ? FALLBACK_CODES.length : 0)
      t.is(positionOf(source), 43_000)
      t.is(positionOf(out.fd), 1000 + 1000 + 40_000 + 2000)
      const second = await within(sendfile(out.fd, source, { offset: null, method }), 'the rest')
      t.like(second, { bytesSent: SIZE - 43_000, offset: SIZE })
      t.is(positionOf(source), SIZE)
      writeSync(out.fd, AFTER)

      const [limit, rest] = [file.bytes.subarray(3000, 43_000), file.bytes.subarray(43_000)]
      t.is(sha256(out.content()), sha256(BEFORE, BEFORE, limit, AFTER, AFTER, rest, AFTER))
    }),
  )
}

test.serial(
  'Rust std 103: a file open for appending receives the bytes once, at its end',
  tidy(async (t, closing) => {
    const hello = Buffer.from('Hello everyone')
    const path = writeSample(BEFORE)
    const out = opened(closing, path, 'a+')
    const result = await within(sendfile(out, writeSample(hello), { count: 9 }), 'the copy')
    t.like(result, { bytesSent: 9, offset: 9, method: 'copy' })
    const check = opened(closing, path)
    const content = Buffer.alloc(2000)
    t.is(sha256(content.subarray(0, readSync(check, content))), sha256(BEFORE, hello.subarray(0, 9)))
  }),
)

// Rust does not use the kernel for this pair. The documentation says that the file must not change until the peer has
// it (sendfile(2), NOTES): a method that moves pages shows the new bytes, a copy the old ones.
for (const [method, seen] of [
  ['copy', 'old'],
  ['sendfile', 'new'],
  ['splice', 'new'],
] as const) {
  serialBy(method)(
    `Rust std 104: a file changed after it was sent to a pipe by ${method} is read with the ${seen} bytes`,
    tidy(async (t, closing) => {
      const [old, changed] = [sampleBytes(4096, 4), sampleBytes(4096, 5)]
      const path = writeSample(old)
      const ends = pipe(closing)
      const result = await within(sendfile(ends.writeEnd, path, { method }), 'the transfer')
      t.like(result, { bytesSent: 4096, method })
      writeFileSync(path, changed, { flag: 'r+' })
      const read = drained(ends)
      ends.closeWriteEnd()
      t.is(sha256((await read).bytes), sha256(seen === 'old' ? old : changed))
    }),
  )
}
