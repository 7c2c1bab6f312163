/** A wait that ends with a promise, with a timeout, or with a call of `stop()`. */
import { MAX_TIME } from '../options/validate.ts'

/** The reason for which a range is stopped from outside. */
export type Stopped =
  /** The caller has stopped it. */
  | { readonly kind: 'stopped' }
  /** The destination was closed or destroyed meanwhile, with or without an error. */
  | { readonly kind: 'destroyed'; readonly error: unknown }
  /** The destination made no progress while the range waited for its turn. */
  | { readonly kind: 'stalled' }
  /** http has discarded the bytes, because the message has no body. */
  | { readonly kind: 'dropped' }
  /** `write` of the destination threw, and its caller has received the error. */
  | { readonly kind: 'rejected'; readonly error: unknown }

export const STALLED = { kind: 'stalled' } as const satisfies Stopped
export const STOPPED = { kind: 'stopped' } as const satisfies Stopped
export const DROPPED = { kind: 'dropped' } as const satisfies Stopped

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
