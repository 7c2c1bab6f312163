// worker.terminate() and process.exit() at every stage of a transfer.
import { once } from 'node:events'
import net from 'node:net'
import test, { type ExecutionContext } from 'ava'

import { evict } from '../fixtures/cold-file.ts'
import { countDescriptors, descriptorsSettleAt } from '../fixtures/descriptors.ts'
import { Received } from '../fixtures/received.ts'
import { sampleBytes, sampleFile } from '../fixtures/sample-file.ts'
import { serving } from '../fixtures/serving.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { peerOf, stalled } from '../fixtures/stalled.ts'
import { within } from '../fixtures/within.ts'

const file = sampleFile(48 << 20)
/** Bytes written before the file; for 'queued', more than the kernel accepts for a client that does not read. */
const HEAD = 1024
const HEAD_QUEUED = 8 << 20

const MOMENTS = ['before', 'queued', 'writable', 'blocked', 'cold', 'after'] as const
type Moment = (typeof MOMENTS)[number]

/** The result of terminate(), and the exit code of the process. */
const EXIT_CODES = { worker: 1, process: 7 } as const

for (const by of ['worker', 'process'] as const) {
  const name = by === 'worker' ? 'worker.terminate()' : 'process.exit()'
  for (const moment of MOMENTS) test.serial(`${name}, ${moment}`, (t) => cutOff(t, by, moment))
}

async function cutOff(t: ExecutionContext, by: 'worker' | 'process', moment: Moment): Promise<void> {
  const descriptors = countDescriptors()
  const head = moment === 'queued' ? HEAD_QUEUED : HEAD
  const { port, hears, end } = await serving(t, by, moment === 'before' ? '' : file.path, head)
  if (moment === 'cold') evict(file.path)
  const far = new net.Socket()
  t.teardown(() => void far.destroy())
  if (moment === 'queued' || moment === 'blocked') far.pause()
  const received = new Received(far)
  await once(far.connect(port, '127.0.0.1'), 'connect')
  await hears('sending')
  if (moment === 'writable') {
    await within(received.reaches(head + (1 << 20)), 'the first bytes')
    far.pause() // on a busy machine it must not finish before it receives the request to end
  }
  if (moment === 'queued' || moment === 'blocked') await stalled(peerOf(far))
  if (moment === 'after') await hears('sent')

  t.is(await end(), EXIT_CODES[by])
  far.resume()
  await within(received.closed, 'the end of the connection')
  const whole = Buffer.concat([sampleBytes(head, 2), moment === 'before' ? Buffer.alloc(0) : file.bytes])
  t.is(sha256(received.bytes), sha256(whole.subarray(0, received.length)))
  if (moment === 'after') t.is(received.length, whole.length)
  if (moment === 'writable' || moment === 'blocked') t.true(received.length > head && received.length < whole.length)
  if (moment === 'queued') t.true(received.length <= head)
  t.is(await descriptorsSettleAt(descriptors), descriptors)
}
