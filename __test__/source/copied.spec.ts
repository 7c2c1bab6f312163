// The portable executor reads what is in the page cache without a thread of the pool, and everything else by `fs`.
import fs from 'node:fs'
import { PassThrough } from 'node:stream'
import test, { type ExecutionContext } from 'ava'

import { sendfile } from '../../index.ts'
import { countDescriptors, descriptorsSettleAt } from '../fixtures/descriptors.ts'
import { IN_KERNEL } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { countRequests, forbidImmediates, isReadAtOnce } from '../fixtures/thread-pool.ts'
import { within } from '../fixtures/within.ts'

/** Three chunks. */
const file = sampleFile(3 * 64 * 1024)

const readsAtOnce = IN_KERNEL && isReadAtOnce(file.path)

/** Copies the file to a stream. Returns the number of requests to the thread pool. */
async function copy(t: ExecutionContext): Promise<number> {
  const before = countDescriptors()
  const stop = countRequests()
  const through = new PassThrough()
  const chunks: Buffer[] = []
  through.on('data', (chunk: Buffer) => chunks.push(chunk))
  const { method } = await within(sendfile(through, file.path, { end: true }), 'the transfer')
  const requests = stop()
  t.is(method, 'copy')
  t.is(sha256(Buffer.concat(chunks)), sha256(file.bytes))
  t.is(await descriptorsSettleAt(before), before)
  return requests
}

// Serial: they replace functions of the process.
const restoring = test.serial

restoring('a file in the page cache is copied without a thread of the pool', async (t) => {
  const requests = await copy(t)
  if (readsAtOnce) t.is(requests, 0)
  else t.true(requests >= 3)
})

restoring('a replacement of fs.read is called for every chunk', async (t) => {
  const original = fs.read
  let calls = 0
  t.teardown(() => Reflect.set(fs, 'read', original))
  Reflect.set(fs, 'read', (...args: unknown[]): unknown => {
    calls += 1
    return Reflect.apply(original, fs, args)
  })
  await copy(t)
  t.is(calls, 3)
})

restoring('a replacement of fs.read that throws rejects with its error', async (t) => {
  const original = fs.read
  const thrown = new Error('fs.read is replaced')
  t.teardown(() => Reflect.set(fs, 'read', original))
  Reflect.set(fs, 'read', () => {
    throw thrown
  })
  const error = await t.throwsAsync(within(sendfile(new PassThrough().resume(), file.path), 'the transfer'))
  t.true(error === thrown || error.cause === thrown)
})

restoring('fake timers do not delay a copy', async (t) => {
  const restore = forbidImmediates(t)
  const through = new PassThrough().resume()
  const { bytesSent } = await within(sendfile(through, file.path, { end: true }), 'the transfer')
  restore()
  t.is(bytesSent, file.bytes.length)
})
