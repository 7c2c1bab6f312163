/** The options of createReadStream that fs.createReadStream does not have. */
import { invalidType, outOfRange } from '../errors/node-error.ts'
import { isRecord } from './validate.ts'
import { type Method, parseOptions, type Request } from './sendfile.ts'
import { closesAbandoned } from './environment.ts'
import { parseRateOption, RateLimiter } from './rate-limiter.ts'

/** The options of {@link createReadStream} that `fs.createReadStream` does not have. */
export interface TransferOptions {
  /**
   * The maximum number of bytes to hand to the kernel at once, and therefore the most bytes of this stream in
   * `writableLength` of the destination.
   * @default 1 MiB, growing to 16 MiB while the destination accepts each segment within milliseconds
   */
  segment?: number | undefined
  /**
   * The system call to use. `'auto'` uses the best one, and reads files of up to 64 KiB. Any other value is forced: if it
   * cannot be used for a destination, piping to it destroys the stream with ERR_SENDFILE_UNSUPPORTED.
   * @default 'auto'
   */
  method?: 'auto' | Method | undefined
  /**
   * The maximum number of bytes per second while the stream is piped; 0 for no limit. A {@link RateLimiter} is shared by
   * several transfers and streams.
   * @default 0
   */
  rate?: number | RateLimiter | undefined
  /**
   * Close the file when the only destination of a `pipe()` closes before the end, for example because the client has
   * disconnected. A stock stream, and its file, would stay open until the program destroys the stream. This does not apply
   * with a second destination, with a 'data' or 'readable' listener, with `autoClose: false`, or after the program has
   * called `unpipe()`.
   * @default false, or true with SENDFILE64_CLOSE_ABANDONED=1
   */
  closeWithDestination?: boolean | undefined
}

/** The checked options. */
export interface Settings {
  readonly segment: number | undefined
  readonly method: 'auto' | Method
  /** The request to the engine. */
  readonly request: Request
  readonly limiter: RateLimiter | undefined
  /** The stream reads with an `fs` of the caller. */
  readonly ownFs: boolean
  /** The file is closed with the only destination. */
  readonly closeWithDestination: boolean
}

export const DEFAULTS: Settings = {
  segment: undefined,
  method: 'auto',
  request: parseOptions(undefined),
  limiter: undefined,
  ownFs: false,
  closeWithDestination: closesAbandoned,
}

/**
 * A copy of the options, each read once, so that Node and this package see the same values. Inherited options are included,
 * as in Node (lib/internal/fs/utils.js, copyObject). Any other value is returned unchanged and is rejected by Node.
 */
export function takeOptions(options: unknown): unknown {
  if (typeof options !== 'object' || options === null) return options
  const copy: Record<string, unknown> = {}
  for (const name in options) copy[name] = Reflect.get(options, name)
  return copy
}

/**
 * Parses the options of this package out of {@link takeOptions those} of a stream; `undefined` if there are none.
 * @throws {TypeError} ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE and {RangeError} ERR_OUT_OF_RANGE
 */
export function parseSettings(options: unknown): Settings | undefined {
  if (!isRecord(options)) return undefined
  const { segment, method, rate, fs, closeWithDestination } = options
  if ([segment, method, rate, fs, closeWithDestination].every((option) => option === undefined)) return undefined
  const request = parseOptions({ method })
  return {
    segment: segment === undefined ? undefined : positive('options.segment', segment, Number.isInteger),
    method: request.method,
    request,
    limiter: limiterOf(rate),
    ownFs: fs !== undefined && fs !== null,
    closeWithDestination: boolean('options.closeWithDestination', closeWithDestination) ?? closesAbandoned,
  }
}

function limiterOf(option: unknown): RateLimiter | undefined {
  const rate = parseRateOption('options.rate', option)
  if (typeof rate !== 'number') return rate
  return rate === 0 ? undefined : new RateLimiter({ rate })
}

/** Whether the stream opens its path with Node's `fs`. Invalid options are left for Node to reject. */
export function opensPath(options: unknown): boolean {
  if (options === undefined || options === null || typeof options === 'string') return true
  return typeof options === 'object' && get(options, 'fs') === undefined && get(options, 'fd') === undefined
}

function get(options: object, name: string): unknown {
  return Reflect.get(options, name) ?? undefined
}

/** The options, with `fs` added. */
export function withFs(options: unknown, fs: object): object {
  return typeof options === 'object' ? { ...options, fs } : { encoding: options, fs }
}

function boolean(name: string, value: unknown): boolean | undefined {
  if (value === undefined || typeof value === 'boolean') return value
  throw invalidType(name, 'of type boolean', value)
}

function positive(name: string, value: unknown, fits: (value: number) => boolean): number {
  if (typeof value !== 'number') throw invalidType(name, 'of type number', value)
  if (!fits(value)) throw outOfRange(name, name.endsWith('segment') ? 'an integer' : 'a finite number', value)
  if (value <= 0 || value > Number.MAX_SAFE_INTEGER) {
    throw outOfRange(name, `> 0 && <= ${Number.MAX_SAFE_INTEGER}`, value)
  }
  return value
}
