/** Which bytes a Range header asks for (RFC 9110 section 14). Linear in the header, up to a limit of ranges. */

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
const SPEC = /[ \t]*(\d*)-(\d*)[ \t]*(?:,|$)/y
const EMPTY = /[ \t]*(?:,|$)/y

/**
 * Any range of an empty file gets the file: no byte of it can be asked for, and a 416 breaks clients that resume. A header
 * that is not valid is ignored. Overlapping ranges are merged, so that no byte is sent twice.
 */
export function parseRange(header: string, size: number, mostParts: number): Ranges {
  const unit = /^[ \t]*bytes[ \t]*=/i.exec(header)?.[0]
  if (unit === undefined || size === 0) return 'whole'
  const parts: Part[] = []
  let specs = 0
  for (let at = unit.length; at < header.length;) {
    EMPTY.lastIndex = at
    if (EMPTY.test(header)) {
      at = EMPTY.lastIndex // An empty element of a list counts as nothing (RFC 9110 section 5.6.1.2).
      continue
    }
    SPEC.lastIndex = at
    const [spec, first = '', last = ''] = SPEC.exec(header) ?? []
    specs += 1
    if (spec === undefined || !isValid(first, last) || specs > MOST_SPECS) return 'whole'
    at += spec.length
    const part = within(size, first, last, specs)
    if (part !== undefined) parts.push(part)
  }
  if (specs === 0) return 'whole'
  if (parts.length === 0) return 'unsatisfiable'
  const merged = merge(parts)
  return merged.length > mostParts ? 'whole' : merged
}

function isValid(first: string, last: string): boolean {
  if (first === '') return last !== ''
  return last === '' || Number(last) >= Number(first)
}

/** The part of a file; `undefined` if none of its bytes is meant. Digits beyond 2^53 are beyond the end as well. */
function within(size: number, first: string, last: string, place: number): Part | undefined {
  const offset = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const end = first === '' || last === '' ? size : Math.min(Number(last) + 1, size)
  return offset < end ? { offset, count: end - offset, place } : undefined
}

/** Parts keep the order of the header (RFC 9110 section 15.3.7.2); merged ones stand where the first of them stood. */
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
