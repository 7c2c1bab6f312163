/** A rate that transfers and streams of both executors share. */
import { anyBinding, type Limiter } from '../native/load.ts'
import { invalidType } from '../errors/sendfile-error.ts'
import { isRecord, parseInteger } from '../options/validate.ts'

/** What {@link RateLimiter} takes. */
export interface RateLimiterOptions {
  /** Bytes per second of everything that names the limiter, together; at least 1. */
  rate: number
  /**
   * Size of the token bucket in bytes: how much may be sent at once after a time in which nothing was sent.
   * @default a tenth of a second's worth of `rate`, also after `rate` has changed
   */
  burst?: number | undefined
}

/** What the executors share of a limiter. */
interface Shared {
  /** Made with the first transfer: the class must be there where no binding is. */
  bucket: Limiter | undefined
  readonly members: Set<object>
  readonly listeners: Set<() => void>
}

const sharedOf = new WeakMap<RateLimiter, Shared>()
const everyChange: (() => void)[] = []

/**
 * One token bucket for any number of transfers and streams: together they send no more than `rate` bytes per second and
 * a `burst`, and those that could send more get equal parts. `rate` may be changed at any time, also for transfers that
 * wait already.
 *
 * @example
 * const limiter = new RateLimiter({ rate: 10 * 2 ** 20 }) // 10 MiB per second for all downloads of one user
 * await Promise.all(responses.map((res) => sendfile(res, 'video.mp4', { rate: limiter, end: true })))
 *
 * @throws {TypeError} ERR_INVALID_ARG_TYPE and {RangeError} ERR_OUT_OF_RANGE
 */
export class RateLimiter {
  readonly #shared: Shared = { bucket: undefined, members: new Set(), listeners: new Set() }
  #rate: number
  readonly #burst: number | undefined

  constructor(options: RateLimiterOptions) {
    if (!isRecord(options)) throw invalidType('options', 'of type object', options)
    const { rate, burst } = options
    this.#rate = parseRate('options.rate', rate)
    this.#burst = burst === undefined ? undefined : parseRate('options.burst', burst)
    sharedOf.set(this, this.#shared)
  }

  /** Bytes per second; may be set. */
  get rate(): number {
    return this.#rate
  }

  set rate(value: number) {
    this.#rate = parseRate('rate', value)
    const { bucket, listeners } = this.#shared
    if (bucket === undefined) return // nothing has named it yet
    bucket.setRate(this.#rate, this.burst)
    for (const listener of [...everyChange, ...listeners]) listener()
  }

  /** Size of the token bucket, in bytes. */
  get burst(): number {
    return this.#burst ?? Math.max(1, Math.floor(this.#rate / 10))
  }

  /** How many transfers and piped streams name the limiter at present. */
  get transfers(): number {
    return this.#shared.members.size
  }
}

/** What the executors know a limiter by. */
export function bucketOf(limiter: RateLimiter): Limiter {
  const shared = find(limiter)
  shared.bucket ??= new (anyBinding().Limiter)(limiter.rate, limiter.burst)
  return shared.bucket
}

/** A transfer or stream begins that names the limiter. */
export function join(limiter: RateLimiter, member: object): void {
  find(limiter).members.add(member)
}

/** It is over. */
export function leave(limiter: RateLimiter, member: object): void {
  find(limiter).members.delete(member)
}

/** Calls `listener` when the rate has changed, because a wait may be over. Returns what ends that. */
export function onRateChange(limiter: RateLimiter, listener: () => void): () => void {
  const { listeners } = find(limiter)
  listeners.add(listener)
  return () => void listeners.delete(listener)
}

/** The same for every limiter, for good. */
export function onEveryRateChange(listener: () => void): void {
  everyChange.push(listener)
}

function find(limiter: RateLimiter): Shared {
  const shared = sharedOf.get(limiter)
  if (shared === undefined) throw invalidType('options.rate', 'an instance of RateLimiter', limiter)
  return shared
}

/** The option `rate`: bytes per second, 0 for no limit, or a limiter. */
export function parseRateOption(name: string, value: unknown): number | RateLimiter {
  if (value instanceof RateLimiter) return value
  if (value !== undefined && typeof value !== 'number') {
    throw invalidType(name, 'of type number or an instance of RateLimiter', value)
  }
  return parseInteger(name, value, 0, Number.MAX_SAFE_INTEGER, 0)
}

function parseRate(name: string, value: unknown): number {
  if (value === undefined) throw invalidType(name, 'of type number', value)
  return parseInteger(name, value, 1, Number.MAX_SAFE_INTEGER, 1)
}
