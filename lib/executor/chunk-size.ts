/** How much to hand over at once: more while the consumer is quick, less when it is slow. */

export class AdaptiveSize {
  readonly #least: number
  /** The largest size there will be. */
  readonly most: number
  readonly #quickMs: number
  #value: number

  /** Always the same number of bytes. */
  static fixed(bytes: number): AdaptiveSize {
    return new AdaptiveSize(bytes, bytes, 0)
  }

  /** Bytes. What takes at most `quickMs` is followed by twice as much; what takes ten times as long by half of it. */
  constructor(least: number, most: number, quickMs: number) {
    this.#least = least
    this.most = most
    this.#quickMs = quickMs
    this.#value = least
  }

  get value(): number {
    return this.#value
  }

  /** A piece of this size has taken so many ms. */
  took(ms: number): void {
    if (ms <= this.#quickMs) this.#value = Math.min(this.most, this.#value * 2)
    else if (ms > this.#quickMs * 10) this.#value = Math.max(this.#least, Math.floor(this.#value / 2))
  }
}

/** The highWaterMark of a stock file stream: who has chosen another one gets chunks of that size. */
const STOCK_CHUNK = 64 * 1024
const LARGEST_CHUNK = 1 << 20
const CHUNK_QUICK_MS = 50

/** How much to read for a consumer that does not show its chunks to anybody. */
export class ChunkSize {
  readonly #size = new AdaptiveSize(STOCK_CHUNK, LARGEST_CHUNK, CHUNK_QUICK_MS)
  #askedAt = 0

  /** What to read instead of `size` bytes. The consumer keeps up while it asks again soon. */
  instead(size: number): number {
    if (size !== STOCK_CHUNK) return size
    const now = performance.now()
    if (this.#askedAt > 0) this.#size.took(now - this.#askedAt)
    this.#askedAt = now
    return this.#size.value
  }
}
