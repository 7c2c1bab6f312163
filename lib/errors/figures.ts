/** What is known of an error of any origin: its code, its errno, and whether it is only a consequence of another one. */
import { getSystemErrorMap, inspect } from 'node:util'

const CONSEQUENCES: ReadonlySet<unknown> = new Set([
  'ERR_STREAM_DESTROYED',
  'ERR_SOCKET_CLOSED',
  'ERR_SOCKET_CLOSED_BEFORE_CONNECTION',
  'ECANCELED',
])

/** Whether an error only reports that a stream was destroyed, or that its write was cancelled for that reason. */
export function isConsequence(error: unknown): boolean {
  return CONSEQUENCES.has(codeOf(error))
}

/** The `code` of an error of any origin; `undefined` if it has none. */
export function codeOf(error: unknown): string | undefined {
  return text(error, 'code')
}

/** The errno name of a negative errno: 'EAGAIN'. */
export function errnoName(errno: number): string {
  return getSystemErrorMap().get(errno)?.[0] ?? `E${-errno}`
}

/** The properties of a system error of Node. */
interface ErrorFigures {
  readonly message: string | undefined
  readonly code: string | undefined
  readonly errno: number | undefined
  readonly syscall: string | undefined
  readonly path: string | undefined
}

/** A getter or proxy may run code that throws; the property then counts as absent. */
export function figuresOf(error: unknown): ErrorFigures {
  const errno = read(error, 'errno')
  return {
    message: text(error, 'message'),
    code: text(error, 'code'),
    errno: typeof errno === 'number' ? errno : undefined,
    syscall: text(error, 'syscall'),
    path: text(error, 'path'),
  }
}

function read(error: unknown, name: string): unknown {
  return isError(error) ? attempt(() => Reflect.get(error, name)) : undefined
}

function text(error: unknown, name: string): string | undefined {
  const value = read(error, name)
  return typeof value === 'string' ? value : undefined
}

/** Asked for every response, nearly always of `null`. */
export function isError(value: unknown): value is Error {
  return value !== null && value !== undefined && attempt(() => value instanceof Error) === true
}

/** A description of any value. */
export function shown(value: unknown): string {
  return attempt(() => inspect(value)) ?? 'a value that cannot be shown'
}

/** The result of `read`; `undefined` if it throws. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
