/** Keeps the average rate of a stream: says how long to wait before the next bytes. */

/** The share of a second that is sent at once: the steps of a paced stream. */
const STEP_SECONDS = 0.1

export class Pace {
  /** Bytes a second. */
  readonly #rate: number
  /** When everything that was sent would have been sent at this rate, in ms; 0 before the first bytes. */
  #due = 0

  constructor(rate: number) {
    this.#rate = rate
  }

  /** The most bytes to send at once. */
  get step(): number {
    return Math.max(1, Math.floor(this.#rate * STEP_SECONDS))
  }

  /** Bytes have been sent. Time in which nothing was sent is not caught up with. */
  sent(bytes: number): void {
    this.#due = Math.max(this.#due, performance.now()) + (bytes / this.#rate) * 1000
  }

  /** How long to wait, in ms; 0 if the next bytes may go. */
  get delay(): number {
    return Math.max(0, this.#due - performance.now())
  }
}
