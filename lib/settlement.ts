/** Makes of the end of a range what the caller gets: a result or an error. */
import { CALLS, END, type EngineEvent, METHODS } from './binding.ts'
import type { RangeEnd } from './copy.ts'
import {
  aborted,
  type Account,
  badDestination,
  errnoName,
  foreignError,
  systemError,
  truncated,
  unsupported,
} from './errors.ts'
import type { Obstacle } from './marker.ts'
import { add, type Bytes, type Method, type Request } from './options.ts'

/** One step down the ladder of methods. */
export interface Fallback {
  /** The better method, that was not possible. */
  from: Method
  /** The method that took over, at the current offset. */
  to: Method
  /** The errno name of the kernel's answer, or TLS, HTTP2, WRAPPED, FILESYSTEM, FOREIGN, PLATFORM. */
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

/** What is known of a transfer beside how it ended. */
export interface Circumstances {
  readonly request: Request
  readonly start: Bytes
  readonly count: Bytes
  readonly path: string | undefined
  readonly startedAt: number
  /** The destination was closed meanwhile, by whatever error. */
  readonly closedBy: { readonly error: unknown } | undefined
}

export function account(bytesSent: number, { request, start }: Circumstances): Account {
  const offset = add(start, bytesSent)
  return request.bigint ? { bytesSent: BigInt(bytesSent), offset: BigInt(offset) } : { bytesSent, offset }
}

export function resultOf(
  end: RangeEnd,
  circumstances: Circumstances,
  event: EngineEvent | undefined,
  obstacle: Obstacle | undefined,
): SendfileResult | SendfileResult<bigint> {
  const { request, startedAt } = circumstances
  const { syscalls, wouldBlock } = end
  const fallbacks = request.method === 'auto' ? [...obstacles(obstacle), ...refusals(event)] : []
  const method = methodOf(event, obstacle, request)
  const rest = { method, fallbacks, syscalls, wouldBlock, durationMs: performance.now() - startedAt }
  const { bytesSent, offset } = account(end.bytesSent, circumstances)
  if (request.bigint) return { bytesSent: BigInt(bytesSent), offset: BigInt(offset), ...rest }
  return { bytesSent: Number(bytesSent), offset: Number(offset), ...rest }
}

/** The error behind an end that is not `done`. */
export function errorOf(end: RangeEnd, circumstances: Circumstances, event: EngineEvent | undefined): Error {
  const { request, path, count, closedBy } = circumstances
  const so = account(end.bytesSent, circumstances)
  if (end.errno !== 0) {
    const syscall = CALLS[event?.call ?? 0] ?? 'sendfile'
    if (end.end !== END.refused) return systemError(-end.errno, syscall, so, path)
    return unsupported(`The kernel refused method '${request.method}' for this pair`, so, -end.errno, syscall)
  }
  if (end.error !== undefined && end.error !== null) return foreignError(end.error, so, path)
  if (end.end === END.truncated) return truncated(count, so, path)
  if (end.end === END.refused) return unsupported(`Method '${request.method}' cannot send to this destination`, so)
  if (end.destroyedBy !== undefined) return destroyed(end.destroyedBy.error, so, path)
  if (closedBy === undefined && request.signal?.aborted === true) return aborted(request.signal, so)
  return destroyed(closedBy?.error, so, path)
}

function destroyed(error: unknown, so: Account, path: string | undefined): Error {
  if (error !== undefined && error !== null) return foreignError(error, so, path)
  return badDestination('The destination was closed before the last byte', so)
}

function obstacles(obstacle: Obstacle | undefined): Fallback[] {
  return obstacle === undefined ? [] : [{ from: 'sendfile', to: 'copy', ...obstacle }]
}

/** The engine's steps down the ladder, as the user sees them. */
export function refusals(event: EngineEvent | undefined): Fallback[] {
  return (event?.fallbacks ?? []).map(({ from, to, errno }) => {
    const code = errnoName(-errno)
    const [refused = 'copy', taken = 'copy'] = [METHODS[from], METHODS[to]]
    return { from: refused, to: taken, code, reason: `the kernel refused ${refused} for this pair with ${code}` }
  })
}

function methodOf(event: EngineEvent | undefined, obstacle: Obstacle | undefined, request: Request): Method {
  if (event !== undefined) return METHODS[event.method] ?? 'copy'
  if (obstacle !== undefined) return 'copy'
  return request.method === 'auto' ? 'sendfile' : request.method
}
