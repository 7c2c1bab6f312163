// A worker ends at every stage of a transfer: with its own code, leaving neither descriptors nor threads.
import { once } from 'node:events'
import test from 'ava'
import { Worker } from 'node:worker_threads'

import { countDescriptors, descriptorsSettleAt, restingDescriptors } from '../fixtures/descriptors.ts'
import { countOurThreads } from '../fixtures/threads.ts'
import { until, within } from '../fixtures/within.ts'
import { BOUND, declareAt, stageArguments, STAGES } from './stages.ts'

const script = new URL('../fixtures/children/staged.ts', import.meta.url)

const ENDINGS = [
  ['worker.terminate()', 1],
  ['process.exit()', 7],
  ['an uncaught exception', 1],
  ['the end of all work', 0],
] as const

test.before(async () => {
  await restingDescriptors()
})

for (const [ending, expected] of ENDINGS) {
  for (const stage of STAGES) {
    declareAt(stage)(`${ending}: ${stage}`, async (t) => {
      const descriptors = countDescriptors()
      const worker = new Worker(script, { workerData: stageArguments(stage, ending).join('\n') })
      t.teardown(() => worker.terminate())
      const exit = new Promise<number>((resolve) => {
        worker.once('exit', resolve)
      })
      const errors: string[] = []
      worker.on('error', (error: Error) => errors.push(error.message))
      if (ending === 'worker.terminate()') {
        await within(Promise.race([once(worker, 'message'), exit]), 'the stage')
        void worker.terminate()
      }
      t.is(await within(exit, 'the exit', BOUND), expected)
      t.deepEqual(errors, ending === 'an uncaught exception' ? ['the end of this environment'] : [])
      t.is(await descriptorsSettleAt(descriptors), descriptors)
      await until(() => countOurThreads() === 0, 'the threads of the engine end')
    })
  }
}
