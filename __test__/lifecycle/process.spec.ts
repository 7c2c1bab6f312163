// The engine and the process: when the process ends, and that the threads of the engine end before it.
import { once } from 'node:events'
import net from 'node:net'
import test from 'ava'
import { Worker } from 'node:worker_threads'

import { run } from '../fixtures/child-process.ts'
import { IN_KERNEL, METHOD } from '../fixtures/executor.ts'
import { Received } from '../fixtures/received.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { serving } from '../fixtures/serving.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { peerOf, stalled } from '../fixtures/stalled.ts'
import { countOurThreads } from '../fixtures/threads.ts'
import { until, within } from '../fixtures/within.ts'

const file = sampleFile(16 << 20)
const transferring = new URL('../fixtures/children/transferring.ts', import.meta.url)
const WORKERS = 4

test.serial('a process exits after its transfers', async (t) => {
  const { code, signal, stdout, stderr } = await run(t, 'transferring.ts', [file.path]).exit
  t.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' })
  const digest = sha256(file.bytes)
  t.deepEqual(JSON.parse(stdout), [
    [METHOD, digest],
    [METHOD, digest],
    ['copy', digest],
  ])
})

test.serial('a pending transfer keeps the process alive until it ends', async (t) => {
  const child = run(t, 'waiting.ts', [file.path])
  const port = Number(/"port":(\d+)/.exec(await child.writes(/"port":\d+/))?.[1])
  const far = new net.Socket()
  t.teardown(() => void far.destroy())
  far.pause()
  const received = new Received(far)
  await once(far.connect(port, '127.0.0.1'), 'connect')
  await stalled(peerOf(far))
  t.is(child.process.exitCode, null)
  far.resume()
  const { code, stdout } = await child.exit
  t.is(code, 0)
  t.regex(stdout, new RegExp(`^sent ${file.bytes.length}$`, 'm'))
  await within(received.closed, 'the end of the connection')
  t.is(sha256(received.bytes), sha256(file.bytes))
})

test.serial('a pending transfer of a worker keeps the worker alive until it ends', async (t) => {
  const worker = new Worker(transferring, { workerData: file.path })
  const exit = once(worker, 'exit')
  const [message] = await within(once(worker, 'message'), 'the results')
  const digest = sha256(file.bytes)
  t.deepEqual(JSON.parse(message), [
    [METHOD, digest],
    [METHOD, digest],
    ['copy', digest],
  ])
  t.deepEqual(await within(exit, 'the exit of the worker'), [0])
  t.is(countOurThreads(), 0)
})

test.serial('workers may end during their transfers; the last one ends the threads', async (t) => {
  const workers = await Promise.all(Array.from({ length: WORKERS }, () => serving(t, 'worker', file.path, 100)))
  const clients = await Promise.all(
    workers.map(async ({ port, hears }) => {
      const far = new net.Socket()
      t.teardown(() => void far.destroy())
      far.pause()
      const received = new Received(far)
      await once(far.connect(port, '127.0.0.1'), 'connect')
      await hears('sending')
      await stalled(peerOf(far))
      return { far, received }
    }),
  )
  t.is(countOurThreads() > 0, IN_KERNEL)
  const [survivor, ...others] = workers
  for (const code of await Promise.all(others.map(({ end }) => end()))) t.is(code, 1)
  t.is(countOurThreads() > 0, IN_KERNEL, 'one environment still needs them')

  const [first, ...rest] = clients
  first!.far.resume()
  await survivor!.hears('sent')
  await within(first!.received.reaches(100 + file.bytes.length), "the survivor's file")
  t.is(sha256(first!.received.bytes.subarray(100)), sha256(file.bytes))
  await survivor!.end()
  await until(() => countOurThreads() === 0, 'the threads end')
  for (const { far, received } of rest) {
    far.resume()
    await within(received.closed, 'the end of the connection')
    const sent = received.bytes.subarray(100)
    t.true(sent.length < file.bytes.length)
    t.is(sha256(sent), sha256(file.bytes.subarray(0, sent.length)))
  }
  t.pass('the threads are gone')
})
