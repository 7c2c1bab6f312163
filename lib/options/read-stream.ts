/** What createReadStream takes beside the options of fs.createReadStream. */
import type { CachedFile } from '../source/cached.ts'
import { invalidType, outOfRange } from '../errors/sendfile-error.ts'
import { isRecord } from './validate.ts'
import { type Method, parseOptions, type Request } from './sendfile.ts'
import { closesAbandoned } from './environment.ts'
import { parseRateOption, RateLimiter } from '../transfer/limiter.ts'

/** The options of a stream that are ours. */
export interface TransferOptions {
  /**
   * Most bytes to hand to the kernel at once, and so most bytes of this stream in `writableLength` of the destination.
   * @default 1 MiB, growing to 16 MiB while each is taken within milliseconds
   */
  segment?: number | undefined
  /**
   * The system call to use. `'auto'` takes the best one, and reads what is no more than 64 KiB in all. Anything else is
   * forced: a pipe to a destination that it cannot reach destroys the stream with ERR_SENDFILE_UNSUPPORTED.
   * @default 'auto'
   */
  method?: 'auto' | Method | undefined
  /**
   * Most bytes per second, while the stream is piped; 0 for no limit. A {@link RateLimiter} is shared with everything else
   * that names it.
   * @default 0
   */
  rate?: number | RateLimiter | undefined
  /**
   * Close the file when the only destination of a `pipe()` has closed before the end, as one does whose client has left. A
   * stock stream stays open then, and with it the file, until somebody destroys it. Not with a second destination, a
   * 'data' or 'readable' listener, `autoClose: false`, or after an `unpipe()` of yours.
   * @default false, or true with SENDFILE64_CLOSE_ABANDONED=1
   */
  closeWithDestination?: boolean | undefined
}

/** The same, checked. */
export interface Settings {
  readonly segment: number | undefined
  readonly method: 'auto' | Method
  /** What the engine is asked for. */
  readonly request: Request
  readonly limiter: RateLimiter | undefined
  /** Reads go through somebody's own `fs`. */
  readonly ownFs: boolean
  /** The file is closed with the only destination. */
  readonly closeWithDestination: boolean
}

/** How a stream was made. */
export interface Opening {
  readonly settings: Settings
  /** Opens the path of the stream; `undefined` where it was given a descriptor, or has an `fs` of its own. */
  readonly file: CachedFile | undefined
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
 * The options that count, each read once. Inherited ones do, as in Node (lib/internal/fs/utils.js, copyObject), so that
 * Node and we see the same. What is no set of options is left for Node to refuse.
 */
export function takeOptions(options: unknown): unknown {
  if (typeof options !== 'object' || options === null) return options
  const copy: Record<string, unknown> = {}
  for (const name in options) copy[name] = Reflect.get(options, name)
  return copy
}

/**
 * Takes our options out of {@link takeOptions those} of a stream; `undefined` if there are none.
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

/** Whether the stream opens its path by Node's `fs`. What is no set of options is for stock to refuse. */
export function opensPath(options: unknown): boolean {
  if (options === undefined || options === null || typeof options === 'string') return true
  return typeof options === 'object' && get(options, 'fs') === undefined && get(options, 'fd') === undefined
}

function get(options: object, name: string): unknown {
  return Reflect.get(options, name) ?? undefined
}

/** The same options with an `fs`. */
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
