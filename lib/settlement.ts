/** Makes of the end of a range what the caller gets: a result or an error. */
import type { EngineEvent } from './binding.ts'
import type { RangeEnd } from './copy.ts'
import {
  aborted,
  type Account,
  badDestination,
  foreignError,
  SendfileError,
  stalled,
  systemError,
  truncated,
  unsupported,
} from './errors.ts'
import { type Obstacle, refusal } from './errors/obstacle.ts'
import { CALLS, END, METHODS } from './native/codes.ts'
import { add, type Bytes } from './option-values.ts'
import type { Method, Request } from './options.ts'
import { ProgressReport } from './progress.ts'
import { join, leave } from './transfer/limiter.ts'

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
  /** The destination was closed meanwhile, by whatever error. */
  closedBy: { readonly error: unknown } | undefined
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

  /** The range has arrived. */
  resolve(end: RangeEnd, event: EngineEvent | undefined, obstacle: Obstacle | undefined): void {
    const { method: wanted, bigint } = this.#request
    const { syscalls, wouldBlock } = end
    const method = this.#methodOf(event, obstacle)
    const fallbacks = wanted === 'auto' ? this.#fallbacks(event, obstacle, method) : []
    const rest = { method, fallbacks, syscalls, wouldBlock, durationMs: performance.now() - this.#startedAt }
    const { bytesSent, offset } = this.account(end.bytesSent)
    try {
      this.#report.finished(end.bytesSent, this.#total ?? end.bytesSent, method)
    } catch (error) {
      return this.reject(error, end.bytesSent)
    }
    this.#tell(() => {
      if (bigint) this.#settle.resolve({ bytesSent: BigInt(bytesSent), offset: BigInt(offset), ...rest })
      else this.#settle.resolve({ bytesSent: Number(bytesSent), offset: Number(offset), ...rest })
    })
  }

  /** Node's own errors stay what they are; what is thrown without being an error is passed on. */
  reject(error: unknown, bytesSent = 0): void {
    if (!(error instanceof Error)) return this.#tell(() => this.#settle.reject(error))
    const so = this.account(bytesSent)
    const foreign = !(error instanceof SendfileError) && 'syscall' in error
    const told = foreign ? foreignError(error, so, this.path) : Object.assign(error, so)
    this.#tell(() => this.#settle.reject(told))
  }

  account(bytesSent: number): Account {
    const offset = add(this.start, bytesSent)
    return this.#request.bigint ? { bytesSent: BigInt(bytesSent), offset: BigInt(offset) } : { bytesSent, offset }
  }

  /** The error behind an end that is not `done`. */
  errorOf(end: RangeEnd, event: EngineEvent | undefined): unknown {
    if (this.#thrown !== undefined) return this.#thrown.error
    const so = this.account(end.bytesSent)
    if (end.errno !== 0) return this.#kernelError(end, event, so)
    if (end.error !== undefined && end.error !== null) return foreignError(end.error, so, this.path)
    const { method, signal } = this.#request
    switch (end.end) {
      case END.truncated:
        return truncated(this.count ?? 0, so, this.path)
      case END.refused:
        return unsupported(`Method '${method}' cannot send to this destination`, so)
      case END.stalled:
        return stalled(this.#request, so, this.path)
      default:
        if (end.destroyedBy !== undefined) return this.#destroyed(end.destroyedBy.error, so)
        if (this.closedBy === undefined && signal?.aborted === true) return aborted(signal, so)
        return this.#destroyed(this.closedBy?.error, so)
    }
  }

  #kernelError(end: RangeEnd, event: EngineEvent | undefined, so: Account): Error {
    const syscall = CALLS[event?.call ?? 0] ?? 'sendfile'
    if (end.end !== END.refused) return systemError(-end.errno, syscall, so, this.path)
    const { method } = this.#request
    const what = method === 'auto' ? 'every method' : `method '${method}'`
    const call = METHODS[event?.method ?? 0] ?? 'copy'
    return unsupported(`The kernel refused ${what} for this pair`, so, -end.errno, call === 'copy' ? 'write' : call)
  }

  #destroyed(error: unknown, so: Account): Error {
    if (error !== undefined && error !== null) return foreignError(error, so, this.path)
    return badDestination('The destination was closed before the last byte', so)
  }

  get #total(): number | null {
    return this.count === undefined ? null : Number(this.count)
  }

  #fallbacks(event: EngineEvent | undefined, obstacle: Obstacle | undefined, to: Method): Fallback[] {
    const first = obstacle === undefined ? [] : [{ from: this.best, to, ...obstacle }]
    return [...first, ...refusals(event)]
  }

  #methodOf(event: EngineEvent | undefined, obstacle: Obstacle | undefined): Method {
    if (event !== undefined) return METHODS[event.method] ?? 'copy'
    if (obstacle !== undefined) return 'copy'
    const { method } = this.#request
    return method === 'auto' ? this.best : method
  }
}

/** The engine's steps down the ladder, as the user sees them. */
export function refusals(event: EngineEvent | undefined): Fallback[] {
  return (event?.fallbacks ?? []).map((step) => {
    const from = METHODS[step.from] ?? 'copy'
    const { code, reason } = refusal(from, step.errno)
    return { from, to: METHODS[step.to] ?? 'copy', code, reason }
  })
}
