/** RateLimiter: a rate that transfers and streams of both executors share. Its token bucket is lib/native/rate-bucket.ts. */
import { invalidType } from '../errors/node-error.ts'
import { isRecord, parseInteger } from './validate.ts'

/** The options of {@link RateLimiter}. */
export interface RateLimiterOptions {
  /** Bytes per second for all transfers and streams of the limiter together; at least 1. */
  rate: number
  /**
   * Size of the token bucket in bytes: how much may be sent at once after an idle period.
   * @default a tenth of `rate`, also after `rate` has changed
   */
  burst?: number | undefined
}

/** The users of a limiter. */
interface Shared {
  readonly members: Set<object>
  readonly listeners: Set<() => void>
}

const sharedOf = new WeakMap<RateLimiter, Shared>()

/**
 * One token bucket for any number of transfers and streams. Together they send at most `rate` bytes per second plus one
 * `burst`; those that could send more get equal shares. `rate` may be changed at any time, and the change applies to
 * transfers that are already waiting.
 *
 * @example
 * const limiter = new RateLimiter({ rate: 10 * 2 ** 20 }) // 10 MiB per second for all downloads of one user
 * await Promise.all(responses.map((res) => sendfile(res, 'video.mp4', { rate: limiter, end: true })))
 *
 * @throws {TypeError} ERR_INVALID_ARG_TYPE and {RangeError} ERR_OUT_OF_RANGE
 */
export class RateLimiter {
  readonly #shared: Shared = { members: new Set(), listeners: new Set() }
  #rate: number
  readonly #burst: number | undefined

  constructor(options: RateLimiterOptions) {
    if (!isRecord(options)) throw invalidType('options', 'of type object', options)
    const { rate, burst } = options
    this.#rate = parseRate('options.rate', rate)
    this.#burst = burst === undefined ? undefined : parseRate('options.burst', burst)
    sharedOf.set(this, this.#shared)
  }

  /** Bytes per second. May be set while transfers run. */
  get rate(): number {
    return this.#rate
  }

  set rate(value: number) {
    this.#rate = parseRate('rate', value)
    const listeners = [...this.#shared.listeners] // a listener may remove itself, or add another
    for (const listener of listeners) listener()
  }

  /** Size of the token bucket, in bytes. */
  get burst(): number {
    return this.#burst ?? Math.max(1, Math.floor(this.#rate / 10))
  }

  /** Number of transfers and piped streams that use the limiter at present. */
  get transfers(): number {
    return this.#shared.members.size
  }
}

/** A transfer or stream starts to use the limiter. */
export function join(limiter: RateLimiter, member: object): void {
  find(limiter).members.add(member)
}

/** A transfer or stream no longer uses the limiter. */
export function leave(limiter: RateLimiter, member: object): void {
  find(limiter).members.delete(member)
}

/** Calls `listener` when the rate changes. Returns a function that removes the listener. */
export function onRateSet(limiter: RateLimiter, listener: () => void): () => void {
  const { listeners } = find(limiter)
  listeners.add(listener)
  return () => void listeners.delete(listener)
}

function find(limiter: RateLimiter): Shared {
  const shared = sharedOf.get(limiter)
  if (shared === undefined) throw invalidType('options.rate', 'an instance of RateLimiter', limiter)
  return shared
}

/** The option `rate`: bytes per second, 0 for no limit, or a limiter. */
export function parseRateOption(name: string, value: unknown): number | RateLimiter {
  if (value instanceof RateLimiter && sharedOf.has(value)) return value
  if (value !== undefined && typeof value !== 'number') {
    throw invalidType(name, 'of type number or an instance of RateLimiter', value)
  }
  return parseInteger(name, value, 0, Number.MAX_SAFE_INTEGER, 0)
}

function parseRate(name: string, value: unknown): number {
  if (value === undefined) throw invalidType(name, 'of type number', value)
  return parseInteger(name, value, 1, Number.MAX_SAFE_INTEGER, 1)
}
