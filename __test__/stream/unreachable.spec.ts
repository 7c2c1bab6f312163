// An unreachable stream leaves no open file, unless the program may know the number of that file.
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { Worker } from 'node:worker_threads'
import type { ExecutionContext } from 'ava'

import { run, TYPESCRIPT } from '../fixtures/child-process.ts'
import { descriptorsOf } from '../fixtures/descriptors.ts'
import { kernelSerial } from '../fixtures/executor.ts'
import { sampleBytes, sampleDirectory } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { until, within } from '../fixtures/within.ts'

const STREAMS = 100
const CHILD = 'unreachable.ts'
const WAYS = ['createReadStream()', 'register'] as const

/** The figures of one case. */
interface Said {
  readonly name: string
  readonly made: number
  readonly collected: number
  readonly left: number
  readonly othersClosed: number
  readonly sums: readonly string[]
}

const children = new Map<string, Promise<readonly Said[]>>()

/** One process runs all cases. */
async function casesOf(t: ExecutionContext, way: string): Promise<readonly Said[]> {
  const execArgv = ['--expose-gc', TYPESCRIPT]
  const { code, stdout, stderr } = await run(t, CHILD, [way, sampleDirectory()], { execArgv }).exit
  t.is(code, 0, stderr)
  t.is(stderr, '')
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

async function saidOf(t: ExecutionContext, way: string, name: string): Promise<Said | undefined> {
  const cases = children.get(way) ?? casesOf(t, way)
  children.set(way, cases)
  return (await cases).find((said) => said.name === name)
}

const collected = { made: STREAMS, collected: STREAMS, othersClosed: 0 }

const closed = [
  'that are unused',
  'with listeners for other events',
  'with an encoding and a range',
  'that a thread of the pool opens',
  'that are paused',
  'of responses without a body',
  'given to pipeline() for a closed response',
  'given to pipeline() of stream/promises for a closed response',
]

const kept = [
  'with autoClose: false',
  "with an 'open' listener",
  "with a 'ready' listener",
  'whose class overrides emit',
  'whose number has been read',
  'whose number a derived class has read',
  'of numbers of the caller',
]

/** The number belongs to another file when the stream is collected. */
const closedBefore = ['that were destroyed', 'whose number the caller has closed', 'that were read to the end']

for (const way of WAYS) {
  for (const name of closed) {
    kernelSerial(`${way}: streams ${name} leave no open file after garbage collection`, async (t) => {
      t.like(await saidOf(t, way, name), { ...collected, left: 0 })
    })
  }

  for (const name of kept) {
    kernelSerial(`${way}: streams ${name} keep their file open after garbage collection`, async (t) => {
      t.like(await saidOf(t, way, name), { ...collected, left: STREAMS })
    })
  }

  for (const name of closedBefore) {
    kernelSerial(`${way}: streams ${name} close no number a second time after garbage collection`, async (t) => {
      t.like(await saidOf(t, way, name), { ...collected, left: 0 })
    })
  }

  kernelSerial(`${way}: reachable streams keep their file open and can be read`, async (t) => {
    const said = await saidOf(t, way, 'that are reachable')
    t.like(said, { made: STREAMS, collected: 0, left: STREAMS, othersClosed: 0 })
    t.deepEqual(said?.sums, [sha256(sampleBytes(200_000))])
  })
}

/** A worker of this process that makes streams, and the path of their file. */
function worker(t: ExecutionContext, name: string): { readonly started: Worker; readonly path: string } {
  setFlagsFromString('--expose-gc')
  const way = `worker-${name.length}`
  const file = fileURLToPath(new URL(`../fixtures/children/${CHILD}`, import.meta.url))
  const started = new Worker(file, { workerData: [way, sampleDirectory(), name].join('\n') })
  t.teardown(() => void started.terminate())
  return { started, path: `${sampleDirectory()}/${way}.bin` }
}

kernelSerial('a worker closes the files of streams after garbage collection', async (t) => {
  const warnings: string[] = []
  process.on('warning', ({ message }) => warnings.push(message))
  const [said] = await within(once(worker(t, 'that are unused').started, 'message'), 'the worker', 30_000)
  t.like(JSON.parse(said), { ...collected, left: 0 })
  t.deepEqual(warnings, [])
})

for (const name of ['that are unused', 'that are reachable']) {
  kernelSerial(`a worker that ends with streams ${name} leaves no open file`, async (t) => {
    const { started, path } = worker(t, name)
    await until(() => descriptorsOf(path) === STREAMS, 'every file is open', 30_000)
    await started.terminate()
    await until(() => descriptorsOf(path) === 0, 'every file is closed')
    t.pass()
  })
}
