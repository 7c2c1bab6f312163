/** A wait that ends with a promise, with a timeout, or with a call of `stop()`. */
import { STOPPED, type Stopped } from '../executor/end.ts'
import { MAX_TIME } from '../options/validate.ts'

export class Stop {
  #why: Stopped | undefined
  #wake: (() => void) | undefined

  /** Whether it has been stopped. */
  get stopped(): boolean {
    return this.#why !== undefined
  }

  /** The reason of the first `stop()`; `undefined` before. */
  get why(): Stopped | undefined {
    return this.#why
  }

  /** Ends the current wait and every later one. */
  stop(why: Stopped = STOPPED): void {
    this.#why ??= why
    this.#wake?.()
  }

  /** Ends the current wait as if its time had elapsed. */
  wake(): void {
    this.#wake?.()
  }

  /**
   * Waits for the promise, for `ms` milliseconds or for the stop, whichever comes first. Resolves with whether it was the
   * promise. Rejects if the promise rejects first.
   */
  sooner(ms: number, promise?: Promise<void>): Promise<boolean> {
    if (this.stopped) return Promise.resolve(false)
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
