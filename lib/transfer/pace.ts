/** Draws what a piped stream sends from the bucket of its limiter. */
import { anyBinding, type LimiterShare } from '../native/load.ts'
import { bucketOf, join, leave, onRateChange, type RateLimiter } from './limiter.ts'

/** What is asked for at once: more than one chunk or marker of a stream. */
const MOST = 16 << 20

export class Pace {
  readonly #limiter: RateLimiter
  readonly #share: LimiterShare
  readonly #deafen: () => void
  /** The most bytes to send next. */
  #admitted = 0
  #timer: NodeJS.Timeout | undefined
  #again: (() => void) | undefined

  constructor(limiter: RateLimiter) {
    this.#limiter = limiter
    this.#share = new (anyBinding().LimiterShare)(bucketOf(limiter))
    this.#deafen = onRateChange(limiter, () => this.#goOn())
    join(limiter, this)
  }

  /** The most bytes to send at once; as many as there are once it is released. */
  get step(): number {
    return this.#admitted
  }

  /**
   * Whether bytes may go now. Otherwise `again` is called when that may have changed, unless the pace is released.
   * `sent`: how many have gone since this was asked before.
   */
  admits(sent: number, again: () => void): boolean {
    this.#share.giveBack(Math.max(0, this.#admitted - sent))
    const answer = this.#share.admit(MOST)
    this.#admitted = Math.max(0, answer)
    if (answer > 0) return true
    this.#again = again
    this.#timer = setTimeout(() => this.#goOn(), -answer)
    return false
  }

  /** The stream is piped no longer. */
  release(): void {
    this.#clear()
    this.#deafen()
    this.#share.giveBack(this.#admitted)
    this.#share.release()
    this.#admitted = Infinity
    leave(this.#limiter, this)
  }

  #goOn(): void {
    const again = this.#again
    this.#clear()
    again?.()
  }

  #clear(): void {
    clearTimeout(this.#timer)
    this.#again = undefined
  }
}
