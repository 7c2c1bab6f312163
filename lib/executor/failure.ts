/** The error for each end: one mapping for promises and streams, and for both executors. */
import { constants } from 'node:os'

import { writeError } from '../errors/node-error.ts'
import {
  aborted,
  type Account,
  badDestination,
  foreignError,
  stalled,
  systemError,
  truncated,
  unsupported,
} from '../errors/sendfile-error.ts'
import type { Bytes } from '../options/validate.ts'
import type { Request } from '../options/sendfile.ts'
import type { RangeEnd } from './end.ts'

/** An end after which bytes are missing at the destination. */
export type Failure = Exclude<RangeEnd, { kind: 'done' | 'dropped' }>

/** The circumstances that an error reports besides the end of the range. */
export interface Circumstances {
  readonly account: Account
  readonly path: string | undefined
  /** The number of bytes that were requested. */
  readonly count: Bytes
  readonly request: Request
}

const { ECONNABORTED, ECONNRESET, EHOSTUNREACH, ENETDOWN, ENETUNREACH, ENOTCONN, EPIPE, ETIMEDOUT } = constants.errno
const CONNECTION_LOST: ReadonlySet<number> = new Set([
  ECONNABORTED,
  ECONNRESET,
  EHOSTUNREACH,
  ENETDOWN,
  ENETUNREACH,
  ENOTCONN,
  EPIPE,
  ETIMEDOUT,
])

/** Whether the kernel reported that the connection of the destination is lost. */
export function isConnectionLost(end: RangeEnd): end is RangeEnd & { kind: 'failed' } {
  return end.kind === 'failed' && CONNECTION_LOST.has(end.errno)
}

/** Whether a stock write would have failed as well, and with it the stream. */
export function failsDestination(end: RangeEnd): boolean {
  return isConnectionLost(end) || (end.kind === 'threw' && end.by === 'destination')
}

/** The error that a promise rejects with. */
export function errorOf(end: Failure, about: Circumstances): unknown {
  const { account, path, request } = about
  const { method, signal } = request
  switch (end.kind) {
    case 'truncated':
      return truncated(about.count, account, path)
    case 'stalled':
      return stalled(request, account, path)
    case 'refused': {
      if (end.call === 'getsockopt') {
        return unsupported(
          "until: 'acknowledged' is not supported for Multipath TCP: the kernel does not report what the peer has acknowledged. Use until: 'queued'",
          account,
          -end.errno,
          end.call,
        )
      }
      const refused = method === 'auto' ? 'every method' : `method '${method}'`
      return unsupported(`The kernel refused ${refused} for this source and destination`, account, -end.errno, end.call)
    }
    case 'unreachable':
      return unsupported(`${method}(2) cannot be used: ${end.reason}. Use method: 'auto' to copy instead`, account)
    case 'failed':
      return systemError(-end.errno, end.call, account, path)
    case 'lacking':
      return systemError(-end.shortage.errno, end.call, account, path)
    case 'threw':
      return foreignError(end.error, account, path)
    case 'rejected':
      return end.error
    case 'destroyed':
      return destroyed(end.error, account, path)
    case 'stopped':
      return signal?.aborted === true ? aborted(signal, account) : destroyed(undefined, account, path)
  }
}

/** The error that a stream fails with. If a stock write would have failed, it is the error of Node. */
export function streamErrorOf(end: Failure, about: Circumstances): Error {
  if (isConnectionLost(end)) return writeError(-end.errno)
  const error = end.kind === 'threw' ? end.error : errorOf(end, about)
  return error instanceof Error ? error : foreignError(error, about.account, about.path)
}

function destroyed(error: unknown, account: Account, path: string | undefined): Error {
  if (error !== undefined && error !== null) return foreignError(error, account, path)
  return badDestination('The destination was closed before the last byte was sent', account)
}
