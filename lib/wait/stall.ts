/** Detects that a destination has stalled while a transfer waits for its turn. */
import type net from 'node:net'

import { underway } from '../node/handle.ts'

/** Number of checks per timeout; a stall is detected at most one interval late. */
const LOOKS = 4

/** Describes the bytes in flight by a value that changes as they move; `undefined` while there are none. */
export type Underway = () => string | undefined

export class StallWatch {
  readonly #underway: Underway
  readonly #timer: NodeJS.Timeout
  #before: string | undefined
  #since = performance.now()

  /** Calls `stalled`, possibly several times, if `underway` has not changed for `timeout` milliseconds. */
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

  /** If nothing is in flight, the transfer is not waiting for the destination. */
  #moves(): boolean {
    const before = this.#before
    this.#before = this.#underway()
    return this.#before === undefined || this.#before !== before
  }
}

/** Calls `stalled` if the connection makes no progress for `timeout` milliseconds. Does nothing without a timeout or connection. */
export function watchStall(
  connection: net.Socket | undefined,
  timeout: number,
  stalled: () => void,
): StallWatch | undefined {
  if (timeout === 0 || connection === undefined) return undefined
  return new StallWatch(() => underway(connection), timeout, stalled)
}
