/** Settles the promise of `sendfile()` with a result or an error. */
import { type Account, withAccount } from '../errors/sendfile-error.ts'
import type { Obstacle } from '../errors/obstacle.ts'
import type { Fallback, RangeEnd } from '../executor/end.ts'
import { errorOf, type Failure } from '../executor/failure.ts'
import { add, type Bytes } from '../options/validate.ts'
import type { Method, Request } from '../options/sendfile.ts'
import { ProgressReport } from './progress.ts'
import { join, leave } from '../options/rate-limiter.ts'

/** The result of {@link sendfile}. `T` is bigint with the option `bigint`. */
export interface SendfileResult<T extends number | bigint = number> {
  /** Number of bytes that the destination has accepted. Without `bigint`, inexact above `Number.MAX_SAFE_INTEGER`. */
  bytesSent: T
  /** The offset of the byte after the last one sent. Without `bigint`, inexact above `Number.MAX_SAFE_INTEGER`. */
  offset: T
  /** The method that was used last. */
  method: Method
  /** The reasons why a better method was not used, in order; empty if the best one was used, or if one was forced. */
  fallbacks: Fallback[]
  /** Number of system calls that moved bytes or tried to; 0 if JavaScript moved them. */
  syscalls: number
  /** How many times the destination was full. */
  wouldBlock: number
  /** Time from the call to the last byte, in milliseconds. */
  durationMs: number
}

/** Settles the promise of the call, once. */
export interface Settle {
  resolve(result: SendfileResult | SendfileResult<bigint>): void
  reject(error: unknown): void
}

/** The settlement of one call of `sendfile()`, and the figures that it needs. */
export class Settlement {
  readonly #request: Request
  readonly #settle: Settle
  readonly #startedAt = performance.now()
  readonly #report: ProgressReport
  /** The first byte of the range. */
  start: Bytes
  /** `undefined` while the size of the source is unknown. */
  count: Bytes | undefined
  path: string | undefined
  /** The best method for this destination. */
  best: Method = 'sendfile'
  /** The value that `onProgress` has thrown. */
  #thrown: { readonly error: unknown } | undefined
  #settled = false
  #released: Promise<void> | undefined

  constructor(request: Request, settle: Settle) {
    this.#request = request
    this.#settle = settle
    this.#report = new ProgressReport(request, this.#startedAt)
    this.start = request.offset ?? 0
    this.count = request.count
    if (request.limiter !== undefined) join(request.limiter, this)
  }

  get isSettled(): boolean {
    return this.#settled
  }

  /** Ignores later events. The promise settles when the descriptors of the transfer have been `released`. */
  close(released?: Promise<void> | void): void {
    this.#settled = true
    if (this.#request.limiter !== undefined) leave(this.#request.limiter, this)
    this.#released = released ?? undefined
  }

  #afterRelease(settle: () => void): void {
    if (this.#released === undefined) settle()
    else void this.#released.then(settle)
  }

  /** Calls `onProgress`. Returns false if it has thrown, in which case the transfer must be stopped. */
  progress(bytesSent: number, method: Method): boolean {
    try {
      if (!this.#settled && this.#thrown === undefined) this.#report.moved(bytesSent, this.#total, method)
    } catch (error) {
      this.#thrown = { error }
    }
    return this.#thrown === undefined
  }

  /** The range has been sent. `engineObstacle`: why the engine must not use its best method. */
  resolve(end: RangeEnd, engineObstacle: Obstacle | undefined): void {
    const { bigint } = this.#request
    const { syscalls, wouldBlock } = end
    const obstacle = end.obstacle ?? engineObstacle
    const method = end.method ?? this.#unused(obstacle)
    const fallbacks = this.#fallbacks(end, obstacle, method)
    const durationMs = performance.now() - this.#startedAt
    const { bytesSent, offset } = this.account(end.bytesSent)
    try {
      this.#report.finished(end.bytesSent, this.#total ?? end.bytesSent, method)
    } catch (error) {
      this.#thrown = { error }
      return this.reject(error, end.bytesSent)
    }
    const figures = { method, fallbacks, syscalls, wouldBlock, durationMs }
    const result = bigint
      ? { bytesSent: BigInt(bytesSent), offset: BigInt(offset), ...figures }
      : { bytesSent: Number(bytesSent), offset: Number(offset), ...figures }
    this.#afterRelease(() => this.#settle.resolve(result))
  }

  /** Errors of the system get the account of the transfer; errors that the caller or Node has thrown are not changed. */
  reject(error: unknown, bytesSent = 0): void {
    const reason = this.#thrown === undefined ? withAccount(error, this.account(bytesSent), this.path) : error
    this.#afterRelease(() => this.#settle.reject(reason))
  }

  account(bytesSent: number): Account {
    const offset = add(this.start, bytesSent)
    return this.#request.bigint ? { bytesSent: BigInt(bytesSent), offset: BigInt(offset) } : { bytesSent, offset }
  }

  /** The error for an end: the value that `onProgress` has thrown, if any. */
  errorOf(end: Failure): unknown {
    if (this.#thrown !== undefined) return this.#thrown.error
    const { path, count = 0 } = this
    return errorOf(end, { account: this.account(end.bytesSent), path, count, request: this.#request })
  }

  get #total(): number | null {
    return this.count === undefined ? null : Number(this.count)
  }

  #fallbacks({ refusals }: RangeEnd, obstacle: Obstacle | undefined, to: Method): Fallback[] {
    if (this.#request.method !== 'auto') return []
    if (obstacle === undefined) return [...refusals]
    const { code, reason } = obstacle
    return [{ from: this.best, to, code, reason }, ...refusals]
  }

  /** The method to report for an empty range. */
  #unused(obstacle: Obstacle | undefined): Method {
    const { method } = this.#request
    return obstacle !== undefined ? 'copy' : method === 'auto' ? this.best : method
  }
}
