/** A wait that can be given up: by the promise that it waits for, by the clock, or from outside. */
import { STOPPED, type Stopped } from '../executor/end.ts'
import { MAX_TIME } from '../options/validate.ts'

export class Stop {
  #why: Stopped | undefined
  #wake: (() => void) | undefined

  /** Nothing more is to be done. */
  get stopped(): boolean {
    return this.#why !== undefined
  }

  /** Why: what was said first; `undefined` while there is something to do. */
  get why(): Stopped | undefined {
    return this.#why
  }

  /** Ends the wait that is going on, and every later one. */
  stop(why: Stopped = STOPPED): void {
    this.#why ??= why
    this.#wake?.()
  }

  /** Ends the wait that is going on, as if its time had come. */
  wake(): void {
    this.#wake?.()
  }

  /**
   * Waits for the promise, for `ms` milliseconds or for the stop, whichever is first, and says whether it was the promise.
   * Rejects if the promise does first.
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
