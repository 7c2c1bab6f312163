/** A wait that can be given up: by the promise that it waits for, by the clock, or from outside. */
import { MAX_TIME } from './option-values.ts'

export class Stop {
  #stopped = false
  #wake: (() => void) | undefined

  /** Nothing more is to be done. */
  get stopped(): boolean {
    return this.#stopped
  }

  /** Ends the wait that is going on, and every later one. */
  stop(): void {
    this.#stopped = true
    this.#wake?.()
  }

  /**
   * Waits for the promise, for `ms` milliseconds or for the stop, whichever is first, and says whether it was the promise.
   * Rejects if the promise does first.
   */
  sooner(ms: number, promise?: Promise<void>): Promise<boolean> {
    if (this.#stopped) return Promise.resolve(false)
    return new Promise((resolve, reject) => {
      const timer =
        ms === Infinity ? undefined : setTimeout(() => over(false), Math.min(MAX_TIME, Math.max(1, Math.ceil(ms))))
      const over = (byPromise: boolean): void => {
        clearTimeout(timer)
        this.#wake = undefined
        resolve(byPromise)
      }
      this.#wake = () => over(false)
      promise?.then(
        () => over(true),
        (error: unknown) => {
          clearTimeout(timer)
          this.#wake = undefined
          reject(error)
        },
      )
    })
  }
}
