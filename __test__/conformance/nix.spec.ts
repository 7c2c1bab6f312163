// The tests of the crate nix, test/sys/test_sendfile.rs and the zero-copy part of test/test_fcntl.rs; and strace's
// tests/sendfile.c, whose lines contain the results of the call.
import fs from 'node:fs'
import { open } from 'node:fs/promises'

import test from 'ava'

import { sendfile, SendfileError, sendfileSync } from '../../index.ts'
import { counting } from '../fixtures/counted.ts'
import { IN_KERNEL, METHOD } from '../fixtures/executor.ts'
import { Fifo } from '../fixtures/fifo.ts'
import { writeSample } from '../fixtures/sample-file.ts'
import { lineOver, TRANSPORTS } from '../fixtures/transports.ts'

const counted = counting(test)

const foobar = writeSample(Buffer.from('foobaf1ooz'))

/* ---------------------------------------------------------------- test_sendfile.rs */

for (const [number, name, method] of [
  [86, 'test_sendfile_linux', 'auto'],
  [87, 'test_sendfile64_linux', 'sendfile'],
] as const) {
  counted.by(method)(`nix ${number}: ${name}, two bytes to a pipe`, async (t, scope) => {
    const fifo = new Fifo(scope)
    t.like(await sendfile(fifo.writer, foobar, { offset: 5, count: 2, method }), {
      bytesSent: 2,
      offset: 7,
      method: METHOD,
    })
    t.is(fifo.read().toString(), 'f1')
    if (!IN_KERNEL) return
    const fd = fs.openSync(foobar, 'r')
    scope.teardown(() => fs.closeSync(fd))
    t.deepEqual(sendfileSync(fifo.writer, fd, 5, 2), { bytesSent: 2, offset: 7 })
    t.is(fifo.read().toString(), 'f1')
  })
}

// The count of FreeBSD and Darwin includes headers and trailers; `bytesSent` does not.
for (const [number, system] of [
  [88, 'freebsd'],
  [89, 'dragonfly'],
  [90, 'darwin'],
] as const) {
  counted(`nix ${number}: test_sendfile_${system}, headers, body and trailers`, async (t, scope) => {
    const body = writeSample(Buffer.from('Xabcdef'))
    const headers = ['HEADER ', 'MORE '].map((part) => Buffer.from(part))
    const trailers = [' TRAILER', ' THE END'].map((part) => Buffer.from(part))
    for (const transport of TRANSPORTS) {
      const { near, arrived } = await lineOver(scope, transport)
      const received = arrived()
      const result = await sendfile(near, body, { offset: 1, count: 5, headers, trailers, end: true })
      t.like(result, { bytesSent: 5, offset: 6, method: METHOD })
      t.is((await received).bytes.toString(), 'HEADER MORE abcde TRAILER THE END')
    }
  })
}

// A vector of file ranges and buffers is one call there, and several calls here.
counted('nix 91: test_sendfilev, parts of files and of memory in order', async (t, scope) => {
  const { near, arrived } = await lineOver(scope, 'tcp')
  const received = arrived()
  const headers = Buffer.from('first ')
  const pieces = [
    sendfile(near, foobar, { offset: 0, count: 3, headers }),
    sendfile(near, foobar, { offset: 5, count: 2, headers: Buffer.from(' second ') }),
    sendfile(near, foobar, { offset: 7, trailers: Buffer.from(' third'), end: true }),
  ]
  const results = await Promise.all(pieces)
  t.deepEqual(
    results.map(({ bytesSent, offset }) => [bytesSent, offset]),
    [
      [3, 3],
      [2, 7],
      [3, 10],
    ],
  )
  t.is((await received).bytes.toString(), 'first foo second f1ooz third')
})

/* ---------------------------------------------------------------- test_fcntl.rs */

counted.kernel('nix: test_copy_file_range, the content and both positions', async (t, scope) => {
  const target = writeSample(Buffer.alloc(0))
  const [from, to] = [await open(foobar, 'r'), await open(target, 'r+')]
  for (const file of [from, to]) scope.teardown(() => file.close())
  await to.write('  ')
  const result = await sendfile(to, from, { offset: 3, count: 3, method: 'copy_file_range' })
  t.like(result, { bytesSent: 3, offset: 6, method: 'copy_file_range', fallbacks: [] })
  t.is((await from.read({ buffer: Buffer.alloc(3), position: null })).buffer.toString(), 'foo')
  await to.write('!')
  t.is(fs.readFileSync(target, 'latin1'), '  baf!')
})

counted.kernel('nix: test_splice, from a file into a pipe', async (t, scope) => {
  const fifo = new Fifo(scope)
  t.like(await sendfile(fifo.writer, foobar, { offset: 5, count: 2, method: 'splice' }), {
    bytesSent: 2,
    offset: 7,
    method: 'splice',
    fallbacks: [],
  })
  t.is(fifo.read().toString(), 'f1')
})

/* ---------------------------------------------------------------- strace, tests/sendfile.c */

/** The source as it is opened for every line. */
function inFd(scope: { teardown(close: () => void): void }): number {
  const fd = fs.openSync(foobar, 'r')
  scope.teardown(() => fs.closeSync(fd))
  return fd
}

counted('strace: sendfile(0, 1, NULL, 1) = -1 EBADF', async (t, scope) => {
  const fd = inFd(scope)
  const calls = [() => sendfileSync(999_999, fd, null, 1), () => sendfileSync(fd, fd, null, 1)]
  for (const call of IN_KERNEL ? calls : []) {
    t.like(t.throws(call, { instanceOf: SendfileError }), { code: 'EBADF', syscall: 'sendfile', bytesSent: 0 })
  }
  await t.throwsAsync(sendfile(999_999, fd), { instanceOf: SendfileError, code: 'EBADF' })
})

counted('strace: sendfile(…, NULL, …), the position of the file', async (t, scope) => {
  const [fd, fifo] = [inFd(scope), new Fifo(scope)]
  if (IN_KERNEL) t.deepEqual(sendfileSync(fifo.writer, fd, null, 4), { bytesSent: 4, offset: null })
  else t.like(await sendfile(fifo.writer, fd, { offset: null, count: 4 }), { bytesSent: 4, offset: 4 })
  t.like(await sendfile(fifo.writer, fd, { offset: null, count: 2 }), { bytesSent: 2, offset: 6 })
  t.is(fifo.read().toString(), 'foobaf')
})

counted('strace: sendfile(…, [0 => 4], 4) = 4', async (t, scope) => {
  const [fd, fifo] = [inFd(scope), new Fifo(scope)]
  if (IN_KERNEL) t.deepEqual(sendfileSync(fifo.writer, fd, 0, 4), { bytesSent: 4, offset: 4 })
  else t.like(await sendfile(fifo.writer, fd, { offset: 0, count: 4 }), { bytesSent: 4, offset: 4 })
  t.is(fifo.read().toString(), 'foob')
})

// The call returns a short count. So does sendfileSync(); `sendfile` rejects because the file ended.
counted('strace: sendfile(…, [4 => 10], 100) = 6, partial at the end', async (t, scope) => {
  const [fd, fifo] = [inFd(scope), new Fifo(scope)]
  if (IN_KERNEL) {
    t.deepEqual(sendfileSync(fifo.writer, fd, 4, 100), { bytesSent: 6, offset: 10 })
    t.is(fifo.read().toString(), 'af1ooz')
  }
  const error = await t.throwsAsync(sendfile(fifo.writer, fd, { offset: 4, count: 100 }), { instanceOf: SendfileError })
  t.like(error, { code: 'ERR_SENDFILE_TRUNCATED', bytesSent: 6, offset: 10 })
  t.is(fifo.read().toString(), 'af1ooz')
})

counted('strace: sendfile(…, [a huge offset], …) = -1 EINVAL', async (t, scope) => {
  const [fd, fifo] = [inFd(scope), new Fifo(scope)]
  const huge = 2n ** 63n - 1n
  if (IN_KERNEL) {
    t.like(
      t.throws(() => sendfileSync(fifo.writer, fd, huge, 2), { instanceOf: SendfileError }),
      { code: 'EINVAL' },
    )
  }
  // Without `count` nothing is beyond the end, so that no system call is made.
  t.like(await sendfile(fifo.writer, fd, { offset: huge, bigint: true }), { bytesSent: 0n, offset: huge })
})

counted('strace: an offset far beyond the end, 0', async (t, scope) => {
  const [fd, fifo] = [inFd(scope), new Fifo(scope)]
  if (IN_KERNEL) t.deepEqual(sendfileSync(fifo.writer, fd, 2 ** 40, 2), { bytesSent: 0, offset: 2 ** 40 })
  t.like(await sendfile(fifo.writer, fd, { offset: 2 ** 40 }), { bytesSent: 0, offset: 2 ** 40 })
  const error = await t.throwsAsync(sendfile(fifo.writer, fd, { offset: 2 ** 40, count: 2 }), {
    instanceOf: SendfileError,
  })
  t.like(error, { code: 'ERR_SENDFILE_TRUNCATED', bytesSent: 0, offset: 2 ** 40 })
})
