// libuv, test/test-fs.c and test/test-threadpool-cancel.c: uv_fs_sendfile goes from file to file.
import fs from 'node:fs'
import { open } from 'node:fs/promises'

import test from 'ava'

import { sendfile, SendfileError, sendfileSync } from '../../index.ts'
import { connectedPair } from '../fixtures/connected-pair.ts'
import { counting } from '../fixtures/counted.ts'
import { IN_KERNEL } from '../fixtures/executor.ts'
import { sampleDirectory, sampleFile, writeSample } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { stalled } from '../fixtures/stalled.ts'
import { within } from '../fixtures/within.ts'

const counted = counting(test)

// libuv returns the bytes that exist; by api.md a count beyond the end is an error after the last byte.
counted('libuv 92: fs_async_sendfile, a sparse file from its second byte', async (t, scope) => {
  const source = `${sampleDirectory()}/libuv-sparse`
  const size = 65_546
  fs.writeFileSync(source, 'begin\n')
  fs.truncateSync(source, size - 4)
  fs.appendFileSync(source, 'end\n')
  const target = `${sampleDirectory()}/libuv-target`
  const file = await open(target, 'w')
  scope.teardown(() => file.close())
  const error = await t.throwsAsync(within(sendfile(file, source, { offset: 1, count: 131_072 }), 'the end'), {
    instanceOf: SendfileError,
  })
  t.like(error, { code: 'ERR_SENDFILE_TRUNCATED', bytesSent: size - 1, offset: size })
  const copied = fs.readFileSync(target)
  t.is(copied.length, size - 1)
  t.is(copied.toString('latin1', 0, 1), 'e')
  t.is(sha256(copied), sha256(fs.readFileSync(source).subarray(1)))
})

counted('libuv 93: fs_async_sendfile_nodata, an empty file', async (t, scope) => {
  const target = writeSample(Buffer.from('unchanged'))
  const file = await open(target, 'r+')
  scope.teardown(() => file.close())
  t.like(await sendfile(file, writeSample(Buffer.alloc(0))), { bytesSent: 0, offset: 0, syscalls: 0 })
  t.is(fs.readFileSync(target, 'latin1'), 'unchanged')
})

// A count above the limit of one call is EINVAL in libuv. By api.md a transfer makes several calls, and sendfileSync()
// returns the count of the kernel.
counted('libuv 94: fs_sendfile_io_64_safe, a count larger than any call accepts', async (t, scope) => {
  const { path, bytes } = sampleFile(10_000, 94)
  const target = writeSample(Buffer.alloc(0))
  const [from, to] = [await open(path, 'r'), await open(target, 'r+')]
  for (const file of [from, to]) scope.teardown(() => file.close())
  const count = 0x7ffff000 + 1
  const error = await t.throwsAsync(within(sendfile(to, from, { count }), 'the end'), { instanceOf: SendfileError })
  t.like(error, { code: 'ERR_SENDFILE_TRUNCATED', bytesSent: bytes.length })
  t.is(sha256(fs.readFileSync(target)), sha256(bytes))
  if (!IN_KERNEL) return
  t.deepEqual(sendfileSync(to.fd, from.fd, 0, count), { bytesSent: bytes.length, offset: bytes.length })
  t.is(sha256(fs.readFileSync(target)), sha256(bytes, bytes))
})

// uv_cancel cancels requests that no thread has begun. Here the peer of the first transfer blocks the others.
counted('libuv 95: threadpool_cancel, queued transfers are canceled', async (t, scope) => {
  const { path, bytes } = sampleFile(16 << 20, 95)
  const { near, far, received } = await connectedPair(scope, { reading: false })
  const first = sendfile(near, path)
  await stalled(near)
  const controller = new AbortController()
  const waiting = [1, 2, 3].map(() => sendfile(near, path, { signal: controller.signal }))
  controller.abort()
  for (const sending of waiting) {
    const error = await t.throwsAsync(within(sending, 'the abort'), { instanceOf: SendfileError, code: 'ABORT_ERR' })
    t.is(error?.bytesSent, 0)
  }
  far.resume()
  t.like(await within(first, 'the first one'), { bytesSent: bytes.length })
  near.end('end')
  await within(received.closed, 'the end')
  t.is(sha256(received.bytes), sha256(bytes, Buffer.from('end')))
})
