// Pseudorandom numbers that are the same for the same seed.

/** mulberry32: whole numbers of 32 bits; not for secrets. */
export class Random {
  #state

  constructor(seed) {
    this.#state = seed >>> 0
  }

  /** From 0, less than 1. */
  next() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number from `least` to `most`. */
  between(least, most) {
    return least + Math.floor(this.next() * (most - least + 1))
  }

  /** The same, with a uniform distribution of magnitudes. */
  size(least, most) {
    return Math.min(most, Math.max(least, Math.round(2 ** (this.next() * Math.log2(most + 1)))))
  }

  chance(probability) {
    return this.next() < probability
  }

  pick(choices) {
    return choices[this.between(0, choices.length - 1)]
  }
}
