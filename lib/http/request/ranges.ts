/** Which bytes a Range header asks for (RFC 9110 section 14). Linear in the header. */

/** A range of a file, in bytes; `count` is at least 1. */
export interface ByteRange {
  readonly offset: number
  readonly count: number
}

/** `'whole'`: the header is ignored. `'unsatisfiable'`: 416. Otherwise one range or more, in the order to be sent. */
export type Ranges = 'whole' | 'unsatisfiable' | readonly ByteRange[]

interface Part extends ByteRange {
  /** Its place in the header. */
  readonly place: number
}

/** A header with more ranges is not sorted and merged, only ignored: RFC 9110 section 14.2 allows that. */
const MOST_SPECS = 1000
/** The digits of the largest safe integer; a number with more digits is beyond the end of any file. */
const MOST_DIGITS = 16

const UNIT = /^[ \t]*bytes=/i
const [TAB, SPACE, COMMA, DASH, ZERO, NINE] = [0x09, 0x20, 0x2c, 0x2d, 0x30, 0x39]

/**
 * A range of an empty file is ignored, because a 416 breaks clients that resume a download. An invalid header is ignored as
 * well. Overlapping ranges are merged, so that no byte is sent twice.
 */
export function parseRange(header: string, size: number, mostParts: number): Ranges {
  const unit = UNIT.exec(header)?.[0]
  if (unit === undefined || size === 0) return 'whole'
  const specs = new Specs(header, unit.length)
  const parts: Part[] = []
  while (!specs.isOver) {
    const spec = specs.next()
    if (spec === undefined || specs.count > MOST_SPECS) return 'whole'
    const part = within(size, spec, specs.count)
    if (part !== undefined) parts.push(part)
  }
  if (specs.count === 0) return 'whole'
  if (parts.length === 0) return 'unsatisfiable'
  const merged = merge(parts)
  return merged.length > mostParts ? 'whole' : merged
}

/** "first-last", "first-" or "-suffix". */
interface Spec {
  readonly first: number | undefined
  readonly last: number | undefined
}

/** The elements of the list. Each character is read once; matching a pattern at each of 64 KiB of commas takes 20 ms. */
class Specs {
  readonly #header: string
  #at: number
  /** How many elements have been read. */
  count = 0

  constructor(header: string, start: number) {
    this.#header = header
    this.#at = start
    this.#skip()
  }

  /** Whether there are no more elements. */
  get isOver(): boolean {
    return this.#at >= this.#header.length
  }

  /** The next element; `undefined` if it is not valid. */
  next(): Spec | undefined {
    this.count += 1
    const first = this.#number()
    if (this.#header.charCodeAt(this.#at) !== DASH) return undefined
    this.#at += 1
    const last = this.#number()
    while (this.#isSpace()) this.#at += 1
    if (!this.isOver && this.#header.charCodeAt(this.#at) !== COMMA) return undefined
    this.#skip()
    if (first === undefined ? last === undefined : last !== undefined && last < first) return undefined
    return { first, last }
  }

  #number(): number | undefined {
    const start = this.#at
    while (this.#code() === ZERO) this.#at += 1
    const significant = this.#at
    for (let code = this.#code(); code >= ZERO && code <= NINE; code = this.#code()) this.#at += 1
    if (this.#at === start) return undefined
    return this.#at - significant > MOST_DIGITS ? Infinity : Number(this.#header.slice(start, this.#at))
  }

  /** Skips empty elements (RFC 9110 section 5.6.1.2). */
  #skip(): void {
    while (this.#isSpace() || this.#code() === COMMA) this.#at += 1
  }

  #isSpace(): boolean {
    const code = this.#code()
    return code === SPACE || code === TAB
  }

  /** The current character; NaN at the end. */
  #code(): number {
    return this.#header.charCodeAt(this.#at)
  }
}

/** The part of the file; `undefined` if it contains no byte. */
function within(size: number, { first, last }: Spec, place: number): Part | undefined {
  const offset = first ?? Math.max(0, size - (last ?? 0))
  const end = first === undefined || last === undefined ? size : Math.min(last + 1, size)
  return offset < end ? { offset, count: end - offset, place } : undefined
}

/** Parts keep the order of the header (RFC 9110 section 15.3.7.2); merged parts take the place of the first of them. */
function merge(parts: Part[]): readonly ByteRange[] {
  if (parts.length === 1) return parts
  const merged: Part[] = []
  for (const part of parts.toSorted((a, b) => a.offset - b.offset)) {
    const previous = merged.at(-1)
    if (previous === undefined || part.offset >= previous.offset + previous.count) merged.push(part)
    else {
      const end = Math.max(previous.offset + previous.count, part.offset + part.count)
      const place = Math.min(previous.place, part.place)
      merged.splice(-1, 1, { offset: previous.offset, count: end - previous.offset, place })
    }
  }
  return merged.toSorted((a, b) => a.place - b.place)
}
