/** Every error of the package: the codes, the classes, and the messages. */
import { getSystemErrorMap } from 'node:util'

import { figuresOf, isError, shown } from './figures.ts'

/** The codes of this package and their meanings. An error may also have the kernel's own code (EPIPE, EIO, …). */
export const ERROR_CODES = {
  ABORT_ERR: 'The operation was aborted',
  ERR_SENDFILE_BINDING: 'No binding could be loaded',
  ERR_SENDFILE_BUSY: 'The destination cannot be handed over while a transfer runs on it',
  ERR_SENDFILE_DESTINATION: 'The destination cannot be sent to, or was closed during the transfer',
  ERR_SENDFILE_OVERLAP: 'The ranges to read and to write overlap in one file',
  ERR_SENDFILE_STALLED: 'The destination accepted no byte for stallTimeout, or fewer per second than minRate',
  ERR_SENDFILE_TRUNCATED: 'The file ended before count bytes were sent',
  ERR_SENDFILE_UNSUPPORTED: 'No method supports this source and destination',
} as const

/** The codes of this package. */
export type SendfileErrorCode = keyof typeof ERROR_CODES

/** How far a transfer came before it failed. */
export interface Account {
  /** Bytes that the destination has accepted. */
  readonly bytesSent: number | bigint
  /** The offset of the byte after the last one sent. */
  readonly offset: number | bigint
}

const NOTHING_SENT: Account = { bytesSent: 0, offset: 0 }

interface Details {
  readonly account?: Account
  readonly errno?: number
  readonly syscall?: string
  readonly path?: string | undefined
  readonly cause?: unknown
}

/**
 * A transfer failed after its arguments had been checked. Compare `code`, not `message`.
 */
export class SendfileError extends Error {
  /** `'AbortError'` with the code ABORT_ERR, as in Node's own APIs. */
  override readonly name: string = 'SendfileError'
  /** One of `ERR_SENDFILE_*`, `ABORT_ERR`, or the name of the kernel's error: `EPIPE`, `ECONNRESET`, `EIO`, … */
  readonly code: string
  /** Number of bytes that the destination had accepted; a bigint with the option `bigint`. */
  readonly bytesSent: number | bigint
  /** The offset of the byte after the last one sent. */
  readonly offset: number | bigint
  /** The kernel's error number, negative as Node writes it. */
  declare readonly errno?: number
  /** The system call that failed. */
  declare readonly syscall?: string
  /** The path of the source, if it was named by a path. */
  declare readonly path?: string

  constructor(code: string, message: string, details: Details = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    const account = details.account ?? NOTHING_SENT
    this.bytesSent = account.bytesSent
    this.offset = account.offset
    if (details.errno !== undefined) this.errno = details.errno
    if (details.syscall !== undefined) this.syscall = details.syscall
    if (details.path !== undefined) this.path = details.path
  }
}

/** The name is the one of the web platform and of Node; the code is Node's. */
class AbortError extends SendfileError {
  override readonly name = 'AbortError'
}

/** `signal` was aborted: code ABORT_ERR; `cause` is the signal's reason. */
export function aborted(signal: AbortSignal, account?: Account): SendfileError {
  return new AbortError('ABORT_ERR', ERROR_CODES.ABORT_ERR, accounted(account, { cause: signal.reason }))
}

/** The file ended before `count`. */
export function truncated(count: number | bigint, account: Account, path?: string): SendfileError {
  const file = path === undefined ? 'The file' : `'${path}'`
  const message =
    `${file} ended ${BigInt(count) - BigInt(account.bytesSent)} bytes before the requested ${count}. ` +
    'Do not truncate a file while it is being sent, or request fewer bytes'
  return new SendfileError('ERR_SENDFILE_TRUNCATED', message, { account, path })
}

/** A body of `announced` bytes ended after `sent` of them. */
export function shortBody(announced: number, sent: number): SendfileError {
  const message =
    `The body ended ${announced - sent} bytes before its Content-Length of ${announced}. ` +
    'Do not truncate a file while it is being sent, or set the Content-Length to the size of the body'
  return new SendfileError('ERR_SENDFILE_TRUNCATED', message, { account: { bytesSent: sent, offset: sent } })
}

/** The limits below which a destination has stalled. */
interface Least {
  readonly stallTimeout: number
  readonly minRate: number
  readonly minRateWindow: number
}

/** The destination accepted no byte for `stallTimeout`, or fewer than `minRate` over `minRateWindow`. */
export function stalled(
  { stallTimeout, minRate, minRateWindow }: Least,
  account: Account,
  path?: string,
): SendfileError {
  const nothing = stallTimeout === 0 ? [] : [`no byte for ${stallTimeout} ms`]
  const little = minRate === 0 ? [] : [`fewer than ${minRate} bytes per second over ${minRateWindow} ms`]
  const message =
    `The destination accepted ${[...nothing, ...little].join(', or ')}. ` +
    'Destroy the connection, or use a longer stallTimeout or a smaller minRate'
  return new SendfileError('ERR_SENDFILE_STALLED', message, { account, path })
}

/** Source and destination are the same file, and the range that is read overlaps the range that is written. */
export function overlap(path?: string): SendfileError {
  const file = path === undefined ? 'the file' : `'${path}'`
  const message = `The range to read and the range to write overlap in ${file}. Write to another file, then rename it`
  return new SendfileError('ERR_SENDFILE_OVERLAP', message, { path })
}

/** The destination cannot be sent to, or was closed without a kernel error. */
export function badDestination(message: string, account?: Account): SendfileError {
  return new SendfileError('ERR_SENDFILE_DESTINATION', message, accounted(account, {}))
}

/** The kernel refused every method, or none is possible. `errno` (negative) is the kernel's last refusal. */
export function unsupported(message: string, account?: Account, errno?: number, syscall = 'sendfile'): SendfileError {
  const cause = errno === undefined ? undefined : systemError(errno, syscall)
  return new SendfileError('ERR_SENDFILE_UNSUPPORTED', message, accounted(account, { cause }))
}

/** The destination is being handed over while a transfer runs on it. */
export function busy(taker: string): SendfileError {
  const message = `The socket cannot be handed to ${taker} while a transfer runs on it. Wait until its sendfile() has settled`
  return new SendfileError('ERR_SENDFILE_BUSY', message)
}

/** Neither the native nor the WASI binding could be loaded. */
export function noBinding(reason: string, cause?: unknown): SendfileError {
  return new SendfileError('ERR_SENDFILE_BINDING', reason, { cause })
}

/** The kernel's answer. `errno` is negative, as Node writes it. */
export function systemError(errno: number, syscall: string, account?: Account, path?: string): SendfileError {
  const [code, text] = getSystemErrorMap().get(errno) ?? [`E${-errno}`, 'unknown error']
  const message = `${code}: ${text}, ${syscall}${path === undefined ? '' : ` '${path}'`}`
  return new SendfileError(code, message, accounted(account, { errno, syscall, path }))
}

/** An error of the destination or the source that other code reported, with the account of the transfer. */
export function foreignError(error: unknown, account: Account, path?: string): SendfileError {
  const { message, code, errno, syscall, path: own } = figuresOf(error)
  const details = { account, path: own ?? path, cause: error }
  const text = message ?? `The stream failed with ${shown(error)}`
  if (code === undefined) return new SendfileError('ERR_SENDFILE_DESTINATION', text, details)
  if (errno === undefined || syscall === undefined) return new SendfileError(code, text, details)
  return new SendfileError(code, text, { ...details, errno, syscall })
}

/**
 * Adds the account of the transfer to an error of this package, of the system, or of Node about a stream or message. Any
 * other error is returned unchanged: one about an argument, or one that the caller has thrown.
 */
export function withAccount(error: unknown, account: Account, path?: string): unknown {
  if (!isError(error)) return error
  const { code = '', syscall } = figuresOf(error)
  if (error instanceof SendfileError || /^ERR_(?:HTTP|STREAM)_/.test(code)) {
    for (const [name, value] of Object.entries(account)) {
      // Does not throw if the error is frozen.
      Reflect.defineProperty(error, name, { configurable: true, enumerable: true, writable: true, value })
    }
    return error
  }
  return syscall === undefined ? error : foreignError(error, account, path)
}

function accounted(account: Account | undefined, details: Details): Details {
  return account === undefined ? details : { ...details, account }
}
