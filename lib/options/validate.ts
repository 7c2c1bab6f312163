/** Checks single option values. The errors have Node's wording. */
import { invalidType, invalidValue, outOfRange } from '../errors/node-error.ts'

/** A count of bytes or an offset: a number while it is exact, a bigint above `Number.MAX_SAFE_INTEGER`. */
export type Bytes = number | bigint

/** `off_t` is a signed 64-bit integer. */
const MAX_OFFSET = 2n ** 63n - 1n
/** The longest time that a timer of Node can be set to, in ms. */
export const MAX_TIME = 2 ** 31 - 1

/** A whole number of bytes from 0 to 2^63 - 1; bigints that fit become numbers. */
export function parseBytes(name: string, value: unknown): Bytes {
  if (typeof value === 'number') {
    if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value)
    if (!Number.isSafeInteger(value) || value < 0) {
      throw outOfRange(name, `>= 0 && <= ${Number.MAX_SAFE_INTEGER} (use a bigint above)`, value)
    }
    return value + 0 // never -0
  }
  if (typeof value !== 'bigint') throw invalidType(name, 'one of type number or bigint', value)
  if (value < 0n || value > MAX_OFFSET) throw outOfRange(name, '>= 0 && <= 9223372036854775807', value)
  return narrow(value)
}

/** The exact sum. */
export function add(a: Bytes, b: Bytes): Bytes {
  if (typeof a === 'number' && typeof b === 'number' && Number.isSafeInteger(a + b)) return a + b
  return narrow(BigInt(a) + BigInt(b))
}

/** The number of bytes between `offset` and `size`; 0 beyond the end. */
export function remaining(size: Bytes, offset: Bytes): Bytes {
  if (typeof size === 'number' && typeof offset === 'number') return Math.max(0, size - offset)
  const left = BigInt(size) - BigInt(offset)
  return left > 0n ? narrow(left) : 0
}

/** Converts a bigint to a number if that is exact. */
export function narrow(value: bigint): Bytes {
  return value <= Number.MAX_SAFE_INTEGER ? Number(value) : value
}

/** An integer within bounds. */
export function parseInteger(name: string, value: unknown, least: number, most: number, standard: number): number {
  if (value === undefined) return standard
  if (typeof value !== 'number') throw invalidType(name, 'of type number', value)
  if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value)
  if (value < least || value > most) throw outOfRange(name, `>= ${least} && <= ${most}`, value)
  return value + 0 // never -0
}

export function parseBoolean(name: string, value: unknown): boolean {
  if (value === undefined) return false
  if (typeof value !== 'boolean') throw invalidType(name, 'of type boolean', value)
  return value
}

/** One of several words; the first one is the default. */
export function parseWord<T extends string>(name: string, value: unknown, words: readonly [T, ...T[]]): T {
  if (value === undefined) return words[0]
  if (typeof value !== 'string') throw invalidType(name, 'of type string', value)
  const word = words.find((known) => known === value)
  if (word !== undefined) return word
  throw invalidValue(name, value, `must be one of: ${words.map((known) => `'${known}'`).join(', ')}`)
}

export function parseSignal(name: string, value: unknown): AbortSignal | undefined {
  if (value === undefined) return undefined
  if (!(value instanceof AbortSignal)) throw invalidType(name, 'an instance of AbortSignal', value)
  return value
}

export function parseFunction(name: string, value: unknown): Function | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'function') throw invalidType(name, 'of type function', value)
  return value
}

const NOTHING = Buffer.alloc(0)

/** One or several buffers, concatenated. The result is a copy, which the caller cannot change during the transfer. */
export function parseParts(name: string, value: unknown): Buffer {
  if (value === undefined) return NOTHING
  const parts: readonly unknown[] = Array.isArray(value) ? value : [value]
  const bytes = parts.map((part, index) => {
    if (part instanceof Uint8Array) return part
    const what = Array.isArray(value) ? `${name}[${index}]` : name
    throw invalidType(what, 'an instance of Uint8Array or an Array of them', part)
  })
  return Buffer.concat(bytes)
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
