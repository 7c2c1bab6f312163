/** Parses the options of `sendfile()` into a frozen Request. Throws before a file is opened. */
import { invalidType, invalidValue } from '../errors/node-error.ts'
import {
  type Bytes,
  isRecord,
  MAX_TIME,
  parseBoolean,
  parseBytes,
  parseFunction,
  parseInteger,
  parseParts,
  parseSignal,
  parseWord,
} from './validate.ts'
import { parseRateOption, type RateLimiter } from './rate-limiter.ts'

/** The system call that moves the bytes; `'copy'` reads and writes them. */
export type Method = 'sendfile' | 'splice' | 'copy_file_range' | 'copy'

export const METHOD_NAMES: readonly Method[] = ['sendfile', 'splice', 'copy_file_range', 'copy']

/** The progress of a transfer: the argument of {@link SendfileOptions.onProgress}. */
export interface Progress {
  /** Number of bytes that the destination has accepted, without headers and trailers. */
  bytesSent: number
  /** Total number of bytes; `null` while the size of the source is unknown. */
  total: number | null
  /** The method in use. */
  method: Method
}

/** The options of {@link sendfile}. */
export interface SendfileOptions {
  /**
   * Where to start reading, in bytes from the start of the source. `null` reads at the source's own file position and
   * moves it by the number of bytes sent, even if the transfer fails (sendfile(2): "If offset is NULL"). For pipes and
   * terminals, 0 and `null` are allowed, and both mean the current position.
   * @default 0
   */
  offset?: number | bigint | null | undefined
  /**
   * Number of bytes to send; may exceed 2 GiB. Required for a device.
   * @default up to the end that the file has when it is opened
   */
  count?: number | bigint | undefined
  /**
   * Bytes to send before the file, in the same TCP segment if possible (send(2), MSG_MORE). In an http message they are
   * part of the body. `bytesSent` does not include them, and `rate` does not apply to them. They may already have been sent
   * when the kernel rejects a forced method.
   * @default none
   */
  headers?: Uint8Array | readonly Uint8Array[] | undefined
  /**
   * Bytes to send after the file, in the same TCP segment if possible (tcp(7), TCP_CORK, which is always removed
   * afterwards). Otherwise like `headers`.
   * @default none
   */
  trailers?: Uint8Array | readonly Uint8Array[] | undefined
  /** Aborts the transfer: it rejects with an AbortError (code `ABORT_ERR`), whose `bytesSent` is the progress so far. */
  signal?: AbortSignal | undefined
  /**
   * The transfer rejects with `ERR_SENDFILE_STALLED` if the destination accepts no byte for this number of milliseconds
   * although there are bytes to send. A destination that drains its buffer, however slowly, has not stalled; this is
   * checked once per timeout period. 0 disables the timeout.
   * @default 0
   */
  stallTimeout?: number | undefined
  /**
   * The maximum number of bytes per second, enforced by a token bucket; 0 for no limit. A {@link RateLimiter} is a token
   * bucket that several transfers and streams share.
   * @default 0
   */
  rate?: number | RateLimiter | undefined
  /**
   * Size of the token bucket in bytes: how much may be sent at once. Only allowed if `rate` is a number; a
   * {@link RateLimiter} has its own.
   * @default a tenth of `rate`
   */
  burst?: number | undefined
  /**
   * The minimum number of bytes per second. The transfer rejects with `ERR_SENDFILE_STALLED` if the destination accepts
   * fewer bytes on average over the last `minRateWindow`. Only the time spent waiting for the destination is measured, not
   * the time spent waiting for a slow source or for `rate`. This detects what `stallTimeout` cannot: a client that reads a
   * few bytes now and then to keep the connection. 0 disables the check.
   * @default 0
   */
  minRate?: number | undefined
  /**
   * The time over which `minRate` is averaged, in milliseconds.
   * @default 10000
   */
  minRateWindow?: number | undefined
  /**
   * Called while bytes are moving, at most once per `progressInterval`, and once more on success. If it throws, the
   * transfer ends and rejects with the thrown value.
   */
  onProgress?: ((progress: Progress) => void) | undefined
  /**
   * The minimum time between two calls of `onProgress`, in milliseconds.
   * @default 100
   */
  progressInterval?: number | undefined
  /**
   * The system call to use. Any value other than `'auto'` is forced: there is no fallback, and if the kernel refuses the
   * method, the transfer rejects with `ERR_SENDFILE_UNSUPPORTED` and the kernel's error as `cause`. With `'auto'`, the
   * environment variable SENDFILE64 can name the method to try first.
   * @default 'auto'
   */
  method?: 'auto' | Method | undefined
  /**
   * The maximum number of bytes that one attempt moves before another transfer gets its turn, 1 to 2147479552. After an
   * attempt that took longer than 100 ms, the next one is smaller. An attempt never exceeds 4 MiB, because an abort takes
   * effect between two attempts.
   * @default 1048576
   */
  quantum?: number | undefined
  /**
   * End the destination after the last byte, on success only: a stream is ended, a FileHandle or descriptor is closed. If
   * the http headers have not been sent, Content-Length is set unless it or Transfer-Encoding is already present. A
   * Content-Length that differs from the body is rejected with ERR_HTTP_CONTENT_LENGTH_MISMATCH.
   * @default false
   */
  end?: boolean | undefined
  /**
   * When the transfer has ended. `'queued'`: the kernel has accepted the last byte. `'acknowledged'`: the kernel of the TCP
   * peer has acknowledged it (tcp(7), TCP_INFO); later writes wait until then. Multipath TCP does not report
   * acknowledgements: the transfer rejects with ERR_SENDFILE_UNSUPPORTED before a byte is sent.
   *
   * If a connection is closed while bytes from the peer are unread, TCP resets it (RFC 9293, 3.6.1), and the peer loses
   * what it has not received yet, such as the last bytes of the answer to an upload that was not read. `'acknowledged'`
   * prevents this.
   * @default 'queued'
   */
  until?: 'queued' | 'acknowledged' | undefined
  /**
   * Return `bytesSent` and `offset` as bigint.
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
  readonly headers: Buffer
  readonly trailers: Buffer
  readonly signal: AbortSignal | undefined
  readonly stallTimeout: number
  /** Bytes per second; 0 for no limit, and with a limiter. */
  readonly rate: number
  readonly burst: number
  readonly limiter: RateLimiter | undefined
  readonly minRate: number
  readonly minRateWindow: number
  readonly onProgress: Function | undefined
  readonly progressInterval: number
  readonly method: 'auto' | Method
  readonly quantum: number
  readonly end: boolean
  readonly until: 'queued' | 'acknowledged'
  readonly bigint: boolean
}

/** The most bytes that one system call moves on Linux (sendfile(2), NOTES). */
const MAX_QUANTUM = 0x7ffff000
/** crates/core has the same; a test compares them. */
export const DEFAULT_QUANTUM = 2 ** 20
const DEFAULT_INTERVAL = 100
const DEFAULT_WINDOW = 10_000

export function parseOptions(options: unknown): Request {
  if (options === undefined || options === null) return DEFAULT_REQUEST
  if (!isRecord(options)) throw invalidType('options', 'of type object', options)
  if (!hasOnlyEnd(options)) return Object.freeze(parse(options))
  const { end } = options
  return end === true ? ENDING_REQUEST : Object.freeze(parse({ end }))
}

/** Whether `end` is the only option, as in most servers. To parse and freeze all options takes 2 % of a small response. */
function hasOnlyEnd(options: object): boolean {
  if (Object.getPrototypeOf(options) !== Object.prototype) return false
  const names = Object.getOwnPropertyNames(options)
  return names.length === 1 && names[0] === 'end'
}

function parse(options: Readonly<Record<string, unknown>>): Request {
  const { offset, count, rate, burst, minRate, minRateWindow, quantum, stallTimeout } = options
  const { headers, trailers, signal, onProgress, progressInterval, method, end, until, bigint } = options
  const rateOrLimiter = parseRateOption('options.rate', rate)
  const limiter = typeof rateOrLimiter === 'number' ? undefined : rateOrLimiter
  const perSecond = typeof rateOrLimiter === 'number' ? rateOrLimiter : 0
  if (limiter !== undefined && burst !== undefined) {
    throw invalidValue('options.burst', burst, 'must not be set beside a RateLimiter, which has its own burst')
  }
  const tenth = Math.max(1, Math.floor(perSecond / 10))
  return {
    offset: offset === null ? null : offset === undefined ? 0 : parseBytes('options.offset', offset),
    count: count === undefined ? undefined : parseBytes('options.count', count),
    headers: parseParts('options.headers', headers),
    trailers: parseParts('options.trailers', trailers),
    signal: parseSignal('options.signal', signal),
    stallTimeout: parseInteger('options.stallTimeout', stallTimeout, 0, MAX_TIME, 0),
    rate: perSecond,
    burst: parseInteger('options.burst', burst, 1, Number.MAX_SAFE_INTEGER, tenth),
    limiter,
    minRate: parseInteger('options.minRate', minRate, 0, Number.MAX_SAFE_INTEGER, 0),
    minRateWindow: parseInteger('options.minRateWindow', minRateWindow, 1, MAX_TIME, DEFAULT_WINDOW),
    onProgress: parseFunction('options.onProgress', onProgress),
    progressInterval: parseInteger('options.progressInterval', progressInterval, 1, MAX_TIME, DEFAULT_INTERVAL),
    method: parseWord('options.method', method, ['auto', ...METHOD_NAMES]),
    quantum: parseInteger('options.quantum', quantum, 1, MAX_QUANTUM, DEFAULT_QUANTUM),
    end: parseBoolean('options.end', end),
    until: parseWord('options.until', until, ['queued', 'acknowledged']),
    bigint: parseBoolean('options.bigint', bigint),
  }
}

/** The request without options. */
export const DEFAULT_REQUEST: Request = Object.freeze(parse({}))
const ENDING_REQUEST: Request = Object.freeze(parse({ end: true }))

const NAMES = Object.keys(DEFAULT_REQUEST)

/** A copy of the options, each read once, for use before they are parsed. Inherited options are included. */
export function readOptions(options: unknown): unknown {
  return isRecord(options) ? Object.fromEntries(NAMES.map((name) => [name, options[name]])) : options
}
