/** Notices that a destination does not move on while a transfer waits for its turn on it. */

/** How often it is looked at within the timeout: so much later, at most, is a stall noticed. */
const LOOKS = 4

export class StallWatch {
  readonly #outstanding: () => number
  readonly #timer: NodeJS.Timeout
  #before: number
  #since = performance.now()

  /** `outstanding`: what the destination has been given and not passed on; it stalls while that stays the same. */
  constructor(outstanding: () => number, timeout: number, stalled: () => void) {
    this.#outstanding = outstanding
    this.#before = outstanding()
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
    this.#before = this.#outstanding()
    return this.#before === 0 || this.#before !== before
  }
}
