/** Makes of the end of a range what the caller gets: a result or an error. */
import { type Account, withAccount } from '../errors/sendfile-error.ts'
import type { Obstacle } from '../errors/obstacle.ts'
import type { RangeEnd } from '../executor/end.ts'
import { errorOf, type Failure } from '../executor/failure.ts'
import { add, type Bytes } from '../options/validate.ts'
import type { Method, Request } from '../options/sendfile.ts'
import { ProgressReport } from './progress.ts'
import { join, leave } from './limiter.ts'

/** One step down the ladder of methods. */
export interface Fallback {
  /** The better method, that was not possible. */
  from: Method
  /** The method that took over, at the current offset. */
  to: Method
  /** The errno name of the kernel's answer, or TLS, HTTP2, WRAPPED, FILESYSTEM, FOREIGN, PLATFORM, SMALL. */
  code: string
  /** The same in a sentence. */
  reason: string
}

/** What {@link sendfile} resolves with. `T` is bigint with the option `bigint`. */
export interface SendfileResult<T extends number | bigint = number> {
  /** Bytes that the destination has accepted. Without `bigint`, inexact above `Number.MAX_SAFE_INTEGER`. */
  bytesSent: T
  /** The offset of the byte after the last one sent. Without `bigint`, inexact above `Number.MAX_SAFE_INTEGER`. */
  offset: T
  /** The method that was used last. */
  method: Method
  /** Why no better method was used, in order; empty when the best one was, or one was forced. */
  fallbacks: Fallback[]
  /** System calls that moved the bytes or tried to; 0 where JavaScript moved them. */
  syscalls: number
  /** How often the destination would have blocked. */
  wouldBlock: number
  /** From the call to the last byte, in milliseconds. */
  durationMs: number
}

/** Settles the promise of the call, once. */
export interface Settle {
  resolve(result: SendfileResult | SendfileResult<bigint>): void
  reject(error: unknown): void
}

/** How a call of `sendfile` is answered, with what has to be known for it. */
export class Settlement {
  readonly #request: Request
  readonly #settle: Settle
  readonly #startedAt = performance.now()
  readonly #report: ProgressReport
  /** The first byte of the range. */
  start: Bytes
  /** `undefined` while it is not known how many there are. */
  count: Bytes | undefined
  path: string | undefined
  /** The method that is best for this destination. */
  best: Method = 'sendfile'
  /** What `onProgress` has thrown. */
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

  /** Nothing that comes later is heard. The caller hears of the end when what the transfer held is `released`. */
  close(released?: Promise<void> | void): void {
    this.#settled = true
    if (this.#request.limiter !== undefined) leave(this.#request.limiter, this)
    this.#released = released ?? undefined
  }

  #tell(how: () => void): void {
    if (this.#released === undefined) how()
    else void this.#released.then(how)
  }

  /** Tells `onProgress`. Returns whether it is content: after an exception, the transfer is to be given up. */
  progress(bytesSent: number, method: Method): boolean {
    try {
      if (!this.#settled && this.#thrown === undefined) this.#report.moved(bytesSent, this.#total, method)
    } catch (error) {
      this.#thrown = { error }
    }
    return this.#thrown === undefined
  }

  /** The range has arrived. `reluctance`: why the engine was not to use its best method. */
  resolve(end: RangeEnd, reluctance: Obstacle | undefined): void {
    const { bigint } = this.#request
    const { syscalls, wouldBlock } = end
    const obstacle = end.obstacle ?? reluctance
    const method = end.method ?? this.#unused(obstacle)
    const fallbacks = this.#fallbacks(end, obstacle, method)
    const rest = { method, fallbacks, syscalls, wouldBlock, durationMs: performance.now() - this.#startedAt }
    const { bytesSent, offset } = this.account(end.bytesSent)
    try {
      this.#report.finished(end.bytesSent, this.#total ?? end.bytesSent, method)
    } catch (error) {
      this.#thrown = { error }
      return this.reject(error, end.bytesSent)
    }
    this.#tell(() => {
      if (bigint) this.#settle.resolve({ bytesSent: BigInt(bytesSent), offset: BigInt(offset), ...rest })
      else this.#settle.resolve({ bytesSent: Number(bytesSent), offset: Number(offset), ...rest })
    })
  }

  /** What the caller or Node has thrown stays as it is; what the system says gets our account. */
  reject(error: unknown, bytesSent = 0): void {
    const told = this.#thrown === undefined ? withAccount(error, this.account(bytesSent), this.path) : error
    this.#tell(() => this.#settle.reject(told))
  }

  account(bytesSent: number): Account {
    const offset = add(this.start, bytesSent)
    return this.#request.bigint ? { bytesSent: BigInt(bytesSent), offset: BigInt(offset) } : { bytesSent, offset }
  }

  /** The error behind an end: what `onProgress` has thrown, if it has. */
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

  /** What would have moved the bytes of a range that has none. */
  #unused(obstacle: Obstacle | undefined): Method {
    const { method } = this.#request
    return obstacle !== undefined ? 'copy' : method === 'auto' ? this.best : method
  }
}
