// Go's os package: writeto_linux_test.go (file to socket), copy_test.go (file to file, file to network) and
// readfrom_linux_test.go (copy_file_range). Go starts at the position of the source; that is `offset: null` here.
import fs from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'

import test from 'ava'

import { sendfile, SendfileError } from '../../index.ts'
import type { Scope } from '../fixtures/connected-pair.ts'
import { counting } from '../fixtures/counted.ts'
import { FALLBACK_CODES, FILE_METHOD, IN_KERNEL, METHOD } from '../fixtures/executor.ts'
import { Fifo } from '../fixtures/fifo.ts'
import { sampleBytes, sampleDirectory, sampleFile, writeSample } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { lineOver, TRANSPORTS } from '../fixtures/transports.ts'
import { within } from '../fixtures/within.ts'

const counted = counting(test)

const PAGE = 4096

/** Moves to `position` by reading or writing, because Node has no call for it. */
async function openAt(scope: Scope, path: string, flags: 'r' | 'r+', position: number): Promise<FileHandle> {
  const file = await open(path, flags)
  scope.teardown(() => file.close())
  for (let left = position; left > 0;) {
    left -= (await file.read({ buffer: Buffer.alloc(left), position: null })).bytesRead
  }
  return file
}

/** proc(5), /proc/pid/fdinfo */
function positionOf({ fd }: FileHandle): number {
  return Number(/^pos:\s*(\d+)$/m.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1])
}

/* ---------------------------------------------------------------- writeto_linux_test.go */

for (const transport of TRANSPORTS) {
  for (const size of [1, 42, 1025, PAGE + 1, 32_769]) {
    counted(`Go os: TestSendFile, ${size} bytes over ${transport}`, async (t, scope) => {
      const { path, bytes } = sampleFile(size, 5)
      const file = await openAt(scope, path, 'r', 0)
      const { near, arrived } = await lineOver(scope, transport)
      const received = arrived()
      t.like(await sendfile(near, file, { offset: null, end: true }), { bytesSent: size, method: METHOD })
      t.is(positionOf(file), size)
      t.is(sha256((await received).bytes), sha256(bytes))
    })
  }
}

/* ---------------------------------------------------------------- copy_test.go */

counted('Go os: TestLargeCopyViaNetwork, 10 MiB through a connection and into a file', async (t, scope) => {
  const { path, bytes } = sampleFile(10 << 20, 6)
  const { near, arrived } = await lineOver(scope, 'tcp')
  const received = arrived()
  t.like(await sendfile(near, path, { end: true }), { bytesSent: bytes.length, method: METHOD })
  t.is(sha256((await received).bytes), sha256(bytes))
})

const SMALL = 64 * 1024 + 3
const small = sampleFile(SMALL, 8)
/** The previous content of the target. */
const before = sampleBytes(SMALL, 9)
const STARTS = [0, 1, PAGE, SMALL]
const LIMITS = [undefined, 0, 1, SMALL - PAGE] as const

for (const from of STARTS) {
  for (const to of STARTS) {
    counted(`Go os: TestCopyFileToFile, from ${from} to ${to} with every limit`, async (t, scope) => {
      for (const limit of LIMITS) {
        const target = writeSample(before)
        const source = await openAt(scope, small.path, 'r', from)
        const destination = await openAt(scope, target, 'r+', to)
        const count = Math.min(limit ?? Infinity, SMALL - from)
        const { bytesSent } = await sendfile(destination, source, { offset: null, count })
        const expected = Buffer.alloc(Math.max(SMALL, to + count))
        before.copy(expected)
        small.bytes.copy(expected, to, from, from + count)
        t.is(bytesSent, count)
        t.is(sha256(fs.readFileSync(target)), sha256(expected), `limit ${limit}`)
        t.deepEqual([positionOf(source), positionOf(destination)], [from + count, to + count], `limit ${limit}`)
      }
    })
  }
}

/* ---------------------------------------------------------------- readfrom_linux_test.go */

for (const size of [1, 42, 1025, PAGE + 1, 32_769]) {
  counted(`Go os: TestCopyFileRange, Basic and Limited, ${size} bytes`, async (t, scope) => {
    const { path, bytes } = sampleFile(size, 10)
    // One less, half, and more than the file has: the last is an error by api.md, after the last byte.
    for (const count of [undefined, size - 1, size >> 1, size + 1]) {
      const target = writeSample(Buffer.alloc(0))
      const file = await openAt(scope, target, 'r+', 0)
      const sending = sendfile(file, path, { count })
      const there = Math.min(count ?? size, size)
      if ((count ?? 0) > size) {
        const error = await t.throwsAsync(sending, { instanceOf: SendfileError, code: 'ERR_SENDFILE_TRUNCATED' })
        t.is(error?.bytesSent, size)
      } else {
        const { bytesSent, method, fallbacks } = await sending
        t.deepEqual([bytesSent, method, fallbacks.length], [there, FILE_METHOD, FALLBACK_CODES.length])
      }
      t.is(sha256(fs.readFileSync(target)), sha256(bytes.subarray(0, there)))
    }
  })
}

// Go does not try with a file open for appending; here the fallbacks are reported.
counted('Go os: TestCopyFileRange, DoesntTryCopyFileRangeInAppendMode', async (t, scope) => {
  const target = writeSample(Buffer.from('before '))
  const file = await open(target, 'a')
  scope.teardown(() => file.close())
  const { method, fallbacks } = await sendfile(file, writeSample(Buffer.from('after')))
  t.is(method, 'copy')
  t.deepEqual(
    fallbacks.map(({ from, code }) => [from, code]),
    IN_KERNEL
      ? [
          ['copy_file_range', 'EBADF'],
          ['sendfile', 'EINVAL'],
        ]
      : [['copy_file_range', 'PLATFORM']],
  )
  t.is(fs.readFileSync(target, 'latin1'), 'before after')
})

counted('Go os: TestCopyFileRange, CopyFileItself doubles the file', async (t, scope) => {
  const { path, bytes } = sampleFile(10_000, 11)
  const end = await openAt(scope, path, 'r+', bytes.length)
  t.like(await sendfile(end, path), { bytesSent: bytes.length })
  t.is(sha256(fs.readFileSync(path)), sha256(bytes, bytes))
  // With a shared position, written bytes would be read again: refused by api.md.
  const both = await openAt(scope, path, 'r+', 0)
  const error = await t.throwsAsync(sendfile(both, both, { offset: null }), { instanceOf: SendfileError })
  t.like(error, { code: 'ERR_SENDFILE_OVERLAP', bytesSent: 0 })
  t.is(sha256(fs.readFileSync(path)), sha256(bytes, bytes))
})

counted('Go os: TestCopyFileRange, NotRegular: BothPipes, DstPipe and SrcPipe', async (t, scope) => {
  const [first, second] = [new Fifo(scope), new Fifo(scope)]
  fs.writeSync(first.writer, 'through both')
  t.like(await within(sendfile(second.writer, first.reader, { count: 12 }), 'both pipes'), { bytesSent: 12 })
  t.is(second.read().toString(), 'through both')

  t.like(await sendfile(second.writer, writeSample(Buffer.from('to a pipe'))), { bytesSent: 9, method: METHOD })
  t.is(second.read().toString(), 'to a pipe')

  const target = `${sampleDirectory()}/from-pipe`
  const file = await open(target, 'w')
  scope.teardown(() => file.close())
  fs.writeSync(first.writer, 'from a pipe')
  first.closeWriter()
  t.like(await within(sendfile(file, first.reader), 'the end of the pipe'), { bytesSent: 11 })
  t.is(fs.readFileSync(target, 'latin1'), 'from a pipe')
})

counted('Go os: TestCopyFileRange, a closed file rejects without a crash', async (t) => {
  const target = `${sampleDirectory()}/closed`
  const file = await open(target, 'w')
  await file.close()
  for (const sending of [sendfile(file, small.path), sendfile(1_000_000, file)]) {
    const error = await t.throwsAsync(sending, { instanceOf: SendfileError, code: 'EBADF' })
    t.is(error?.bytesSent, 0)
  }
})
