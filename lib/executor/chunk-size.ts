/** Chunk sizes that grow while the consumer is fast and shrink when it is slow. */

export class AdaptiveSize {
  readonly #least: number
  /** The maximum size. */
  readonly most: number
  readonly #quickMs: number
  #value: number

  /** A constant size. */
  static fixed(bytes: number): AdaptiveSize {
    return new AdaptiveSize(bytes, bytes, 0)
  }

  /** Sizes in bytes. The size is doubled after a chunk that took at most `quickMs`, and halved after one that took ten times as long. */
  constructor(least: number, most: number, quickMs: number) {
    this.#least = least
    this.most = most
    this.#quickMs = quickMs
    this.#value = least
  }

  get value(): number {
    return this.#value
  }

  /** A chunk of this size has taken this time, in ms. */
  took(ms: number): void {
    if (ms <= this.#quickMs) this.#value = Math.min(this.most, this.#value * 2)
    else if (ms > this.#quickMs * 10) this.#value = Math.max(this.#least, Math.floor(this.#value / 2))
  }
}

/** The default highWaterMark of a stock file stream. If the program has set another one, chunks have that size. */
const STOCK_CHUNK = 64 * 1024
const LARGEST_CHUNK = 1 << 20
const CHUNK_QUICK_MS = 50

/** The read size for a pipe whose chunks no other consumer sees. */
export class ChunkSize {
  readonly #size = new AdaptiveSize(STOCK_CHUNK, LARGEST_CHUNK, CHUNK_QUICK_MS)
  #askedAt = 0

  /** Returns the size to read instead of `size`. A consumer that requests the next chunk soon is fast. */
  instead(size: number): number {
    if (size !== STOCK_CHUNK) return size
    const now = performance.now()
    if (this.#askedAt > 0) this.#size.took(now - this.#askedAt)
    this.#askedAt = now
    return this.#size.value
  }
}
