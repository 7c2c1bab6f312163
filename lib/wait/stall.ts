/** Notices that a destination does not move on while a transfer waits for its turn on it. */
import type net from 'node:net'

import { underway } from '../node/handle.ts'

/** How often it is looked at within the timeout: so much later, at most, is a stall noticed. */
const LOOKS = 4

/** What is on its way; anything that changes as it moves, and `undefined` while there is nothing. */
export type Underway = () => string | undefined

export class StallWatch {
  readonly #underway: Underway
  readonly #timer: NodeJS.Timeout
  #before: string | undefined
  #since = performance.now()

  /** Calls `stalled`, perhaps more than once, when what is under way has stayed the same for `timeout` milliseconds. */
  constructor(underway: Underway, timeout: number, stalled: () => void) {
    this.#underway = underway
    this.#before = underway()
    this.#timer = setInterval(() => {
      if (this.#moves()) this.#since = performance.now()
      else if (performance.now() - this.#since >= timeout) stalled()
    }, timeout / LOOKS)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Without anything on its way it is not the destination that is waited for. */
  #moves(): boolean {
    const before = this.#before
    this.#before = this.#underway()
    return this.#before === undefined || this.#before !== before
  }
}

/** Calls `stalled` when the connection stands still for `timeout` milliseconds. Without either, nothing is watched. */
export function watchStall(
  connection: net.Socket | undefined,
  timeout: number,
  stalled: () => void,
): StallWatch | undefined {
  if (timeout === 0 || connection === undefined) return undefined
  return new StallWatch(() => underway(connection), timeout, stalled)
}
