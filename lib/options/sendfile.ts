/** Parses the options once: loose in, a frozen Request out. Throws before anything is opened. */
import { invalidType, invalidValue } from '../errors/sendfile-error.ts'
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
import { parseRateOption, type RateLimiter } from '../transfer/limiter.ts'

/** The system call that moves the bytes; `'copy'` reads and writes them. */
export type Method = 'sendfile' | 'splice' | 'copy_file_range' | 'copy'

/** How far a transfer has come: what {@link SendfileOptions.onProgress} gets. */
export interface Progress {
  /** Bytes that the destination has accepted; headers and trailers do not count. */
  bytesSent: number
  /** Bytes that there will be; `null` while the size of the source is not known. */
  total: number | null
  /** The method in use. */
  method: Method
}

/** The options of {@link sendfile}. */
export interface SendfileOptions {
  /**
   * Where to read, in bytes from the start of the source. `null` uses the source's own file position and moves it by
   * the bytes sent, also on error (sendfile(2): "If offset is NULL"). Pipes and terminals take 0 and `null`, which both
   * mean "from here".
   * @default 0
   */
  offset?: number | bigint | null | undefined
  /**
   * How many bytes to send; may exceed 2 GiB. Must be given for a device.
   * @default to the end of the file as it was at the start
   */
  count?: number | bigint | undefined
  /**
   * Bytes to send before the file, in the same TCP segment where the kernel can (send(2), MSG_MORE). To an http message
   * they are part of the body. They do not count in `bytesSent`, and `rate` does not slow them down. They have gone when the
   * kernel refuses a forced method.
   * @default none
   */
  headers?: Uint8Array | readonly Uint8Array[] | undefined
  /**
   * Bytes to send after the file, in the same TCP segment where the kernel can (tcp(7), TCP_CORK, which is always taken
   * back). Otherwise as `headers`.
   * @default none
   */
  trailers?: Uint8Array | readonly Uint8Array[] | undefined
  /** Rejects with an AbortError (code `ABORT_ERR`); its `bytesSent` says how far the transfer had come. */
  signal?: AbortSignal | undefined
  /**
   * Rejects with `ERR_SENDFILE_STALLED` when the destination has accepted no byte for so many milliseconds although
   * there were some for it. One that passes on what it holds, however slowly, has not stalled; that is looked at once in
   * each such time. 0: never.
   * @default 0
   */
  stallTimeout?: number | undefined
  /**
   * The most bytes per second, by a token bucket. 0: as fast as it goes. A {@link RateLimiter} is a bucket that is shared
   * with everything else that names it.
   * @default 0
   */
  rate?: number | RateLimiter | undefined
  /**
   * Size of the token bucket of a number as `rate`, in bytes: how much may be sent at once. A {@link RateLimiter} has its
   * own.
   * @default a tenth of a second's worth
   */
  burst?: number | undefined
  /**
   * The least bytes per second. Rejects with `ERR_SENDFILE_STALLED` when the destination has accepted less than this on
   * average over the last `minRateWindow`. Only time counts in which the destination was waited for: what a slow source
   * or a limit takes does not. Ends what `stallTimeout` cannot see: a client that reads a few bytes now and then to hold
   * the connection. 0: none.
   * @default 0
   */
  minRate?: number | undefined
  /**
   * Over how many milliseconds `minRate` is averaged.
   * @default 10000
   */
  minRateWindow?: number | undefined
  /**
   * Called while bytes move, at most every `progressInterval` milliseconds, and once at the end if that is a good one.
   * An exception in it ends the transfer, which rejects with it.
   */
  onProgress?: ((progress: Progress) => void) | undefined
  /**
   * The least time between two calls of `onProgress`, in milliseconds.
   * @default 100
   */
  progressInterval?: number | undefined
  /**
   * The system call to use. Anything but `'auto'` is forced: no fallback, and `ERR_SENDFILE_UNSUPPORTED` with the
   * kernel's answer as `cause` where it is refused. The environment variable SENDFILE64 names a method to try first.
   * @default 'auto'
   */
  method?: 'auto' | Method | undefined
  /**
   * The most bytes that one attempt moves before another transfer gets its turn, 1 to 2147479552. An attempt asks for
   * less where the last one took longer than 100 ms, and never for more than 4 MiB: an abort is heard between two of them.
   * @default 1048576
   */
  quantum?: number | undefined
  /**
   * End the destination after the last byte, on success only: a stream is ended, a FileHandle or descriptor closed. With
   * unsent http headers, Content-Length is set unless it or Transfer-Encoding is there already; one that says something
   * else than what is sent is refused with ERR_HTTP_CONTENT_LENGTH_MISMATCH.
   * @default false
   */
  end?: boolean | undefined
  /**
   * When the transfer is over. `'queued'`: the kernel has the last byte. `'acknowledged'`: over TCP, the peer's kernel
   * has acknowledged it (tcp(7), TCP_INFO); what is written later waits until then. Of Multipath TCP nobody can tell:
   * rejects with ERR_SENDFILE_UNSUPPORTED before a byte moves.
   *
   * A connection that is closed while bytes of the peer are unread is reset (RFC 9293, 3.6.1), and what the peer has not
   * received by then is lost: the tail of the answer to an upload that nobody reads. `'acknowledged'` is the cure.
   * @default 'queued'
   */
  until?: 'queued' | 'acknowledged' | undefined
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

/** What one system call moves at most on Linux (sendfile(2), NOTES). */
const MAX_QUANTUM = 0x7ffff000
/** crates/core has the same; a test compares them. */
export const DEFAULT_QUANTUM = 2 ** 20
const DEFAULT_INTERVAL = 100
const DEFAULT_WINDOW = 10_000

export function parseOptions(options: unknown): Request {
  if (options === undefined || options === null) return DEFAULT_REQUEST
  if (!isRecord(options)) throw invalidType('options', 'of type object', options)
  return Object.freeze(parse(options))
}

function parse(options: Readonly<Record<string, unknown>>): Request {
  const { offset, count, rate, burst, minRate, minRateWindow, quantum, stallTimeout } = options
  const { headers, trailers, signal, onProgress, progressInterval, method, end, until, bigint } = options
  const given = parseRateOption('options.rate', rate)
  const limiter = typeof given === 'number' ? undefined : given
  const perSecond = typeof given === 'number' ? given : 0
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
    method: parseWord('options.method', method, ['auto', 'sendfile', 'splice', 'copy_file_range', 'copy']),
    quantum: parseInteger('options.quantum', quantum, 1, MAX_QUANTUM, DEFAULT_QUANTUM),
    end: parseBoolean('options.end', end),
    until: parseWord('options.until', until, ['queued', 'acknowledged']),
    bigint: parseBoolean('options.bigint', bigint),
  }
}

/** What is asked for without options. */
export const DEFAULT_REQUEST: Request = Object.freeze(parse({}))

const NAMES = Object.keys(DEFAULT_REQUEST)

/** The same options, each read once: for who needs them before they are parsed. Inherited ones count. */
export function readOptions(options: unknown): unknown {
  return isRecord(options) ? Object.fromEntries(NAMES.map((name) => [name, options[name]])) : options
}
