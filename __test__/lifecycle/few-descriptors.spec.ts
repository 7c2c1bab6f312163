// A process without free descriptors keeps serving: if a descriptor cannot be duplicated, the file is copied as by a
// stock stream.
import test from 'ava'

import { run } from '../fixtures/child-process.ts'
import type { Ask, Reported } from '../fixtures/children/few-descriptors.ts'
import type { Scope } from '../fixtures/connected-pair.ts'
import { IN_KERNEL, kernelSerial } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'

const file = sampleFile(24 << 20)
const SIZE = file.bytes.length
const DIGEST = sha256(file.bytes)
/** Limit of the process, including the descriptors of Node and its loader. */
const LIMIT = 128

/** Descriptors that the engine keeps after it has waited for a socket: a poller and its wake-up. */
const ENGINE = 2

/** The result of the child. */
async function send(t: Scope, ask: Partial<Ask>): Promise<Reported> {
  const whole: Ask = {
    path: file.path,
    by: 'stream',
    to: 'socket',
    free: 0,
    method: 'auto',
    until: Number.MAX_SAFE_INTEGER,
    ...ask,
  }
  const { stdout, stderr } = await run(t, 'few-descriptors.ts', [JSON.stringify(whole)], { openFiles: LIMIT }).exit
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout)
}

// Serial: more than twenty concurrent processes would exceed their time limit.

/** The call that fails for lack of a descriptor, by the number of free ones. */
const LACKING: Record<number, string> = { 1: 'fcntl', 2: 'epoll_create' }

/** For the file, for the socket, and for the poller of the engine. */
const FREE = [0, 1, 2]

for (const to of ['socket', 'response'] as const) {
  for (const by of ['stock', 'stream'] as const) {
    for (const free of FREE) {
      test.serial(`${by} to a ${to}: every byte arrives with ${free} descriptors left`, async (t) => {
        t.timeout(60_000)
        const { code, bytesSent, received, digest, left } = await send(t, { by, to, free })
        t.deepEqual({ code, bytesSent, received, left }, { code: 'ok', bytesSent: SIZE, received: SIZE, left: 0 })
        t.is(digest, DIGEST)
      })
    }
  }
}

for (const free of FREE) {
  kernelSerial(`a stream reports that it was copied because descriptors ran out: ${free} left`, async (t) => {
    t.timeout(60_000)
    const { method, fallbacks } = await send(t, { free })
    t.deepEqual({ method, fallbacks }, { method: 'copy', fallbacks: ['EMFILE'] })
  })

  kernelSerial(`a stream with a forced method fails with EMFILE: ${free} left`, async (t) => {
    t.timeout(60_000)
    const { code, left } = await send(t, { free, method: 'sendfile' })
    t.deepEqual({ code, left }, { code: 'EMFILE', left: 0 })
  })
}

kernelSerial('a stream uses the kernel again when descriptors are available', async (t) => {
  t.timeout(60_000)
  const { method, fallbacks, digest, left } = await send(t, { until: 1 << 20 })
  t.deepEqual({ method, fallbacks, left }, { method: 'sendfile', fallbacks: ['EMFILE'], left: ENGINE })
  t.is(digest, DIGEST)
})

test.serial('sendfile(): a file that cannot be duplicated rejects with EMFILE before any byte is sent', async (t) => {
  t.timeout(60_000)
  const { code, bytesSent, received, left } = await send(t, { by: 'sendfile', free: 0 })
  if (IN_KERNEL)
    t.deepEqual({ code, bytesSent, received, left }, { code: 'EMFILE', bytesSent: 0, received: 0, left: 0 })
  else t.deepEqual({ code, received, left }, { code: 'ok', received: SIZE, left: 0 })
})

for (const free of [1, 2]) {
  kernelSerial(`sendfile() copies the rest if the socket cannot be duplicated: ${free} left`, async (t) => {
    t.timeout(60_000)
    const { digest, ...reported } = await send(t, { by: 'sendfile', free })
    const expected = { code: 'ok', bytesSent: SIZE, received: SIZE, method: 'copy', fallbacks: ['EMFILE'], left: 0 }
    t.deepEqual(reported, expected)
    t.is(digest, DIGEST)
  })

  kernelSerial(`sendfile() with a forced method fails with EMFILE and the bytes sent: ${free} left`, async (t) => {
    t.timeout(60_000)
    const reported = await send(t, { by: 'sendfile', free, method: 'sendfile' })
    const { code, syscall, bytesSent, received, digest, left } = reported
    t.deepEqual({ code, syscall, left }, { code: 'EMFILE', syscall: LACKING[free], left: 0 })
    t.is(received, bytesSent)
    t.is(digest, sha256(file.bytes.subarray(0, bytesSent)))
  })
}
