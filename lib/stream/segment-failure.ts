/** Which stream fails if a segment fails: the destination, the source, or both. */
import http from 'node:http'

import { type Account, badDestination, truncated } from '../errors/sendfile-error.ts'
import type { RangeEnd } from '../executor/end.ts'
import { type Failure, failsDestination, streamErrorOf } from '../executor/failure.ts'
import type { Destination } from '../hooks/hold.ts'
import { condemn } from '../node/outgoing-message.ts'
import type { Request } from '../options/sendfile.ts'
import type { FileStream } from '../node/readable.ts'
import type { StreamTransfer } from './stats.ts'

/** Whether a stock stream would have reported an error as well. */
export function isFailure(end: RangeEnd): end is Failure {
  return end.kind !== 'done' && end.kind !== 'dropped' && end.kind !== 'rejected'
}

/**
 * Destroys the streams that have to fail. Returns the error for a message that has announced the segment; `undefined` if the
 * destination is already closed. `length` is the length of the segment in bytes.
 */
export function failSegment(
  end: Failure,
  length: number,
  source: FileStream,
  destination: Destination,
  { request, transfer }: { readonly request: Request; readonly transfer: StreamTransfer },
): Error | undefined {
  if (end.kind === 'destroyed' || end.kind === 'stopped') return undefined
  const account = accountOf(source, transfer)
  const path = source.path?.toString()
  const count = transfer.bytesSent + length - end.bytesSent
  const error = streamErrorOf(end, { account, path, count, request })
  const message = destination instanceof http.OutgoingMessage ? destination : undefined
  const isLacking = end.kind === 'lacking' && request.method !== 'auto'
  if (end.kind === 'truncated' && message !== undefined) condemn(message, error)
  else if (end.kind === 'refused' || end.kind === 'unreachable' || isLacking) source.destroy(error)
  else if (failsDestination(end) && (message === undefined || end.kind === 'threw')) destroy(destination, error)
  return error
}

/** The destination was closed before the end of the stream. */
export function lost(source: FileStream, transfer: StreamTransfer): Error {
  return badDestination('The destination was closed before the last byte was sent', accountOf(source, transfer))
}

/** The file has `missing` bytes less than a message has announced. */
export function cutShort(source: FileStream, transfer: StreamTransfer, missing: number): Error {
  return truncated(transfer.bytesSent + missing, accountOf(source, transfer), source.path?.toString())
}

function accountOf({ pos, bytesRead }: FileStream, { bytesSent }: StreamTransfer): Account {
  return { bytesSent, offset: pos ?? bytesRead }
}

export function isDestroyed(destination: Destination): boolean {
  return Reflect.get(destination, 'destroyed') === true
}

function destroy(destination: Destination, error: Error): void {
  const method: unknown = Reflect.get(destination, 'destroy')
  if (typeof method === 'function') Reflect.apply(method, destination, [error])
}
