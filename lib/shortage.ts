/**
 * What a transfer by the kernel needs beside its file and its destination: a descriptor of its own of either, and a
 * thread. A process without any can still read and write, so `auto` does that; the next transfer may find some.
 */
import { constants } from 'node:os'

import type { Obstacle } from './marker.ts'

/** An obstacle that may pass by itself. */
export interface Shortage extends Obstacle {
  /** The kernel's answer, positive. */
  readonly errno: number
}

const { EAGAIN, EMFILE, ENFILE } = constants.errno

const SHORTAGES: readonly Shortage[] = [
  { errno: EMFILE, code: 'EMFILE', reason: 'the process has no descriptor left for the transfer' },
  { errno: ENFILE, code: 'ENFILE', reason: 'the machine has no descriptor left for the transfer' },
  { errno: EAGAIN, code: 'EAGAIN', reason: 'no thread could be made for the transfer' },
]

/** The shortage behind a transfer that could not be started; `undefined` for what has other reasons. */
export function shortageOf(errno: number): Shortage | undefined {
  return SHORTAGES.find((shortage) => shortage.errno === errno)
}

/** Whether an obstacle is a shortage. */
export function isShortage(obstacle: Obstacle): obstacle is Shortage {
  return 'errno' in obstacle
}
