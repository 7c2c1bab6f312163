/** Parses the options once: loose in, a frozen Request out. Throws before anything is opened. */
import { invalidType, invalidValue, outOfRange } from './errors.ts'

/** A count of bytes or an offset: a number while it is exact, a bigint above `Number.MAX_SAFE_INTEGER`. */
export type Bytes = number | bigint

/** The system call that moves the bytes. */
export type Method = 'sendfile' | 'copy'

/** The options of {@link sendfile}. */
export interface SendfileOptions {
  /**
   * Where to read, in bytes from the start of the source. `null` uses the source's own file position and moves it by
   * the bytes sent, also on error (sendfile(2): "If offset is NULL").
   * @default 0
   */
  offset?: number | bigint | null | undefined
  /**
   * How many bytes to send; may exceed 2 GiB.
   * @default to the end of the file as it was at the start
   */
  count?: number | bigint | undefined
  /** Rejects with an AbortError (code `ABORT_ERR`); its `bytesSent` says how far the transfer had come. */
  signal?: AbortSignal | undefined
  /**
   * End the destination after the last byte, on success only. With unsent http headers, Content-Length is set unless
   * it or Transfer-Encoding is there already.
   * @default false
   */
  end?: boolean | undefined
  /**
   * The system call to use. Anything but `'auto'` is forced: no fallback, and `ERR_SENDFILE_UNSUPPORTED` with the
   * kernel's answer as `cause` where it is refused.
   * @default 'auto'
   */
  method?: 'auto' | Method | undefined
  /**
   * Give the byte figures of the result as bigint.
   * @default false
   */
  bigint?: boolean | undefined
}

/** The options, complete and checked. */
export interface Request {
  /** `null`: at the source's own position. */
  readonly offset: Bytes | null
  /** `undefined`: to the end of the file. */
  readonly count: Bytes | undefined
  readonly signal: AbortSignal | undefined
  readonly end: boolean
  readonly method: 'auto' | Method
  readonly bigint: boolean
}

/** `off_t` is a signed 64-bit integer. */
const MAX_OFFSET = 2n ** 63n - 1n

const METHODS = ['auto', 'sendfile', 'copy'] as const

export function parseOptions(options: unknown): Request {
  if (options === undefined || options === null) return DEFAULTS
  if (!isRecord(options)) throw invalidType('options', 'of type object', options)
  const { offset, count, signal, end, method, bigint } = options
  return Object.freeze({
    offset: offset === null ? null : offset === undefined ? 0 : parseBytes('options.offset', offset),
    count: count === undefined ? undefined : parseBytes('options.count', count),
    signal: parseSignal(signal),
    end: parseBoolean('options.end', end),
    method: parseMethod(method),
    bigint: parseBoolean('options.bigint', bigint),
  })
}

const DEFAULTS: Request = Object.freeze({
  offset: 0,
  count: undefined,
  signal: undefined,
  end: false,
  method: 'auto',
  bigint: false,
})

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

/** What is left of `size` from `offset` on; 0 beyond the end. */
export function remaining(size: Bytes, offset: Bytes): Bytes {
  if (typeof size === 'number' && typeof offset === 'number') return Math.max(0, size - offset)
  const left = BigInt(size) - BigInt(offset)
  return left > 0n ? narrow(left) : 0
}

function narrow(value: bigint): Bytes {
  return value <= Number.MAX_SAFE_INTEGER ? Number(value) : value
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parseBoolean(name: string, value: unknown): boolean {
  if (value === undefined) return false
  if (typeof value !== 'boolean') throw invalidType(name, 'of type boolean', value)
  return value
}

function parseMethod(value: unknown): 'auto' | Method {
  if (value === undefined) return 'auto'
  if (typeof value !== 'string') throw invalidType('options.method', 'of type string', value)
  const method = METHODS.find((known) => known === value)
  if (method === undefined) {
    throw invalidValue('options.method', value, `must be one of: ${METHODS.map((known) => `'${known}'`).join(', ')}`)
  }
  return method
}

function parseSignal(value: unknown): AbortSignal | undefined {
  if (value === undefined) return undefined
  if (!(value instanceof AbortSignal)) throw invalidType('options.signal', 'an instance of AbortSignal', value)
  return value
}
