// The stages of a transfer at which its environment may end: children/staged.ts reaches each.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

import test from 'ava'

import { kernelSerial } from '../fixtures/executor.ts'
import { sampleDirectory, sampleFile } from '../fixtures/sample-file.ts'

export const STAGES = [
  'created',
  'queued',
  'writable',
  'blocked',
  'cold',
  'rate-limited',
  'stalled',
  'unacknowledged',
  'to a file',
  'to a FIFO without a reader',
  'from a FIFO without a writer',
  'from the path of a FIFO without a writer',
  'settled',
] as const
export type Stage = (typeof STAGES)[number]

/** Only the kernel executor can find out which bytes are acknowledged. */
export function declareAt(stage: Stage): typeof kernelSerial {
  return stage === 'unacknowledged' ? kernelSerial : test.serial
}

/** How long an environment may take to end, in ms, on a busy machine. */
export const BOUND = 10_000

const large = sampleFile(48 << 20)
/** Less than the buffers of a connection hold, more than that of the peer alone. */
const small = sampleFile(3 << 20)
let count = 0

/** The arguments of children/staged.ts. */
export function stageArguments(stage: Stage, ending: string): string[] {
  count += 1
  const fifo = join(sampleDirectory(), `stage-${count}.fifo`)
  execFileSync('mkfifo', [fifo])
  return [stage, ending, large.path, small.path, fifo, join(sampleDirectory(), `stage-${count}.copy`)]
}
