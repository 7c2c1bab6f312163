/** Errors of Node, in Node's words: for invalid arguments, and for http messages and sockets. */
import { inspect } from 'node:util'

import { errnoName } from './figures.ts'

/** Node's ERR_INVALID_ARG_TYPE, in Node's words. `expected` ends the sentence "must be …". */
export function invalidType(name: string, expected: string, actual: unknown): TypeError {
  return nodeError(
    new TypeError(`The "${name}" ${kindOf(name)} must be ${expected}. Received ${describe(actual)}`),
    'ERR_INVALID_ARG_TYPE',
  )
}

/** Node's ERR_INVALID_ARG_VALUE, in Node's words. */
export function invalidValue(name: string, actual: unknown, reason = 'is invalid'): TypeError {
  const shown = inspect(actual)
  const received = shown.length > 128 ? `${shown.slice(0, 128)}...` : shown
  return nodeError(
    new TypeError(`The ${kindOf(name)} '${name}' ${reason}. Received ${received}`),
    'ERR_INVALID_ARG_VALUE',
  )
}

/** Node's ERR_OUT_OF_RANGE, in Node's words. `range` ends the sentence "It must be …". */
export function outOfRange(name: string, range: string, actual: number | bigint): RangeError {
  const digits = typeof actual === 'bigint' ? `${actual}` : inspect(actual)
  const large = /^-?\d+$/.test(digits) && (actual > 2 ** 32 || actual < -(2 ** 32))
  const received = `${large ? digits.replace(/\B(?=(\d{3})+$)/g, '_') : digits}${typeof actual === 'bigint' ? 'n' : ''}`
  return nodeError(
    new RangeError(`The value of "${name}" is out of range. It must be ${range}. Received ${received}`),
    'ERR_OUT_OF_RANGE',
  )
}

/** Node's error for headers that are set too late. */
export function headersSent(): Error {
  return nodeError(new Error('Cannot write headers after they are sent to the client'), 'ERR_HTTP_HEADERS_SENT')
}

/** Node's ERR_HTTP_CONTENT_LENGTH_MISMATCH, in Node's words. */
export function contentLengthMismatch(length: number | bigint, announced: number | bigint): Error {
  const message =
    `Response body's content-length of ${length} byte(s) does not match the ` +
    `content-length of ${announced} byte(s) set in header`
  return nodeError(new Error(message), 'ERR_HTTP_CONTENT_LENGTH_MISMATCH')
}

function kindOf(name: string): 'argument' | 'property' {
  return name.includes('.') ? 'property' : 'argument'
}

/** Gives an error a code as Node's own errors have it: a property, and part of the stack's first line. */
function nodeError<T extends Error>(error: T, code: string): T & { code: string } {
  const stack = error.stack?.replace(error.name, `${error.name} [${code}]`)
  if (stack !== undefined) error.stack = stack
  return Object.assign(error, { code })
}

/** How Node names a value of the wrong type (lib/internal/errors.js, determineSpecificType). */
function describe(value: unknown): string {
  if (value === null || value === undefined) return `${value}`
  if (typeof value === 'function') return `function ${value.name}`
  if (typeof value === 'object') {
    const name: unknown = value.constructor?.name
    return typeof name === 'string' && name !== '' ? `an instance of ${name}` : inspect(value, { depth: -1 })
  }
  if (typeof value !== 'string') return `type ${typeof value} (${inspect(value)})`
  const shown = value.length > 28 ? `${value.slice(0, 25)}...` : value
  return `type string (${shown.includes("'") ? JSON.stringify(shown) : `'${shown}'`})`
}

/** The error of a socket of Node when the kernel rejects a write: 'write EPIPE'. `errno` is negative. */
export function writeError(errno: number): NodeJS.ErrnoException {
  const code = errnoName(errno)
  return Object.assign(new Error(`write ${code}`), { errno, code, syscall: 'write' })
}
