// A file stream opens, reads and closes its file synchronously if no disk is needed, otherwise by `fs`; the two are
// indistinguishable.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'

import { createReadStream } from '../../index.ts'
import { run } from '../fixtures/child-process.ts'
import { connectedPair } from '../fixtures/connected-pair.ts'
import { countDescriptors, descriptorsSettleAt } from '../fixtures/descriptors.ts'
import { kernelSerial } from '../fixtures/executor.ts'
import { sampleDirectory, sampleFile, writeSample } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { warmEngine } from '../fixtures/warm-engine.ts'
import { countRequests, forbidImmediates, isReadAtOnce } from '../fixtures/thread-pool.ts'
import { within } from '../fixtures/within.ts'

const SMALL = 64 * 1024
const small = sampleFile(20_000)
const large = sampleFile(SMALL + 1)

const readsAtOnce = isReadAtOnce(small.path)

test.before(warmEngine)

interface Seen {
  readonly sum: string
  readonly events: string[]
  /** The number of requests to the thread pool. */
  readonly requests: number
}

/** Pipes a file to a socket. */
async function send(t: ExecutionContext, path: string, opened = (): void => {}): Promise<Seen> {
  const before = countDescriptors()
  const pair = await connectedPair(t)
  const stop = countRequests()
  const stream = createReadStream(path).on('open', opened)
  const events: string[] = []
  for (const name of ['open', 'ready', 'end', 'close']) stream.on(name, () => events.push(name))
  const closed = once(stream, 'close')
  stream.pipe(pair.near)
  await within(Promise.all([closed, pair.received.closed]), 'the end')
  const requests = stop()
  pair.close()
  t.is(await descriptorsSettleAt(before), before)
  return { sum: sha256(pair.received.bytes), events, requests }
}

const ORDER = ['open', 'ready', 'end', 'close']

kernelSerial('a small file in the page cache uses no thread of the pool', async (t) => {
  const requests = readsAtOnce ? 0 : 2
  t.deepEqual(await send(t, small.path), { sum: sha256(small.bytes), events: ORDER, requests })
})

kernelSerial('opening and closing a larger file use no thread of the pool', async (t) => {
  t.deepEqual(await send(t, large.path), { sum: sha256(large.bytes), events: ORDER, requests: 0 })
})

kernelSerial('an empty file ends its stream', async (t) => {
  t.like(await send(t, writeSample(Buffer.alloc(0))), { sum: sha256(Buffer.alloc(0)), events: ORDER })
})

kernelSerial('an unlinked file is closed by a thread', async (t) => {
  const { path, bytes } = sampleFile(SMALL + 1)
  const seen = await send(t, path, () => fs.unlinkSync(path))
  t.deepEqual(seen, { sum: sha256(bytes), events: ORDER, requests: 1 })
})

for (const name of ['open', 'read', 'close'] as const) {
  kernelSerial(`a replacement of fs.${name} is called`, async (t) => {
    const original = fs[name]
    let calls = 0
    t.teardown(() => Reflect.set(fs, name, original))
    Reflect.set(fs, name, (...args: unknown[]): unknown => {
      calls += 1
      return Reflect.apply(original, fs, args)
    })
    const { sum, events } = await send(t, small.path)
    t.deepEqual({ sum, events }, { sum: sha256(small.bytes), events: ORDER })
    t.is(calls, name === 'read' ? 2 : 1)
  })
}

kernelSerial('fake timers do not delay a stream', async (t) => {
  const { near, received } = await connectedPair(t)
  const restore = forbidImmediates(t)
  const stream = createReadStream(small.path)
  stream.pipe(near)
  await within(once(stream, 'close'), "event 'close'")
  restore()
  await within(received.closed, 'the end of the connection')
  t.is(sha256(received.bytes), sha256(small.bytes))
})

kernelSerial('a FIFO waits for its writer', async (t) => {
  const path = join(sampleDirectory(), 'late-writer')
  execFileSync('mkfifo', [path])
  const reading = send(t, path)
  const writer = spawn('sh', ['-c', 'cat "$0" > "$1"', small.path, path], { stdio: 'ignore' })
  t.teardown(() => writer.kill())
  const [code]: unknown[] = await within(once(writer, 'exit'), 'the exit of the writer')
  t.is(code, 0)
  t.like(await reading, { sum: sha256(small.bytes), events: ORDER })
})

kernelSerial('a worker, which tracks its descriptors, opens and closes through fs', async (t) => {
  const worker = new Worker(new URL('../fixtures/children/reading.ts', import.meta.url), { workerData: small.path })
  t.teardown(() => worker.terminate())
  const [said]: unknown[] = await within(once(worker, 'message'), 'the worker')
  // open, two reads, close
  t.deepEqual(JSON.parse(String(said)), { requests: 4, sum: sha256(small.bytes), warnings: [] })
})

const SWITCHES = [
  { without: 'openat2', requests: 4 },
  { without: 'readnowait', requests: 0 },
  // finding the end needs no thread
  { without: 'readnowait,mincore,recency', requests: 1 },
]
for (const { without, requests } of SWITCHES) {
  kernelSerial(`SENDFILE64_WITHOUT=${without}: the file is sent with ${requests} requests to threads`, async (t) => {
    const { exit } = run(t, 'reading.ts', [small.path], { env: { SENDFILE64_WITHOUT: without } })
    const { stdout, stderr } = await within(exit, 'the exit of the process')
    t.is(stderr, '')
    t.deepEqual(JSON.parse(stdout), { requests, sum: sha256(small.bytes), warnings: [] })
  })
}
