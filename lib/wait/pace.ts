/** Takes the bytes of a piped stream from the token bucket of its limiter. */
import { anyBinding, type LimiterShare } from '../native/load.ts'
import { bucketOf, onRateChange } from '../native/rate-bucket.ts'
import { join, leave, type RateLimiter } from '../options/rate-limiter.ts'

/** The request to the bucket: more than the largest chunk or marker of a stream. */
const MOST = 16 << 20

export class Pace {
  readonly #limiter: RateLimiter
  readonly #share: LimiterShare
  readonly #unsubscribe: () => void
  /** The most bytes to send next. */
  #admitted = 0
  #timer: NodeJS.Timeout | undefined
  #again: (() => void) | undefined

  constructor(limiter: RateLimiter) {
    this.#limiter = limiter
    this.#share = new (anyBinding().LimiterShare)(bucketOf(limiter))
    this.#unsubscribe = onRateChange(limiter, () => this.#retry())
    join(limiter, this)
  }

  /** The most bytes to send at once; Infinity after `release()`. */
  get step(): number {
    return this.#admitted
  }

  /**
   * Returns whether bytes may be sent now. If not, `again` is called when that may have changed, unless the pace has been
   * released. `sent` is the number of bytes sent since the previous call.
   */
  admits(sent: number, again: () => void): boolean {
    this.#share.giveBack(Math.max(0, this.#admitted - sent))
    const answer = this.#share.admit(MOST)
    this.#admitted = Math.max(0, answer)
    if (answer > 0) return true
    this.#again = again
    this.#timer = setTimeout(() => this.#retry(), -answer)
    return false
  }

  /** The stream is no longer piped. */
  release(): void {
    this.#clear()
    this.#unsubscribe()
    this.#share.giveBack(this.#admitted)
    this.#share.release()
    this.#admitted = Infinity
    leave(this.#limiter, this)
  }

  #retry(): void {
    const again = this.#again
    this.#clear()
    again?.()
  }

  #clear(): void {
    clearTimeout(this.#timer)
    this.#again = undefined
  }
}
