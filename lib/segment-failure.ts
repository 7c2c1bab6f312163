/** Who fails when a segment of a piped stream does: the destination, the stream, or both. */
import http from 'node:http'

import type { RangeEnd } from './copy.ts'
import { badDestination, systemError, truncated, unsupported, writeError } from './errors.ts'
import { shortageOf } from './errors/obstacle.ts'
import type { Destination } from './hold.ts'
import { END } from './native/codes.ts'
import type { Method } from './options.ts'
import type { FileStream } from './node-streams.ts'
import type { StreamTransfer } from './stream-transfer.ts'
import { CONNECTION_LOST } from './segment.ts'

/**
 * Lets fail what has to. Returns what a message that has announced the segment fails with; `undefined` where the
 * destination is gone already.
 */
export function failSegment(
  { end, errno, error }: RangeEnd,
  source: FileStream,
  destination: Destination,
  method: 'auto' | Method,
  truncation: () => Error,
): Error | undefined {
  const message = destination instanceof http.OutgoingMessage ? destination : undefined
  if (CONNECTION_LOST.has(errno)) {
    const lost = writeError(-errno)
    if (message === undefined) destroy(destination, lost)
    return lost
  }
  if (shortageOf(errno) !== undefined && method !== 'auto') {
    const lacking = systemError(-errno, method)
    source.destroy(lacking)
    return lacking
  }
  if (errno !== 0 && end !== END.refused) return systemError(-errno, 'read')
  if (error instanceof Error) {
    if (!isReadError(error)) destroy(destination, error)
    return error
  }
  if (end === END.truncated) {
    const truncated = truncation()
    message?.destroy(truncated)
    return truncated
  }
  if (end !== END.refused) return undefined
  const refused = unsupported(`The kernel refused method '${method}' for this pair`, undefined, errno && -errno)
  source.destroy(refused)
  return refused
}

/** The destination has gone before the end of the stream. */
export function lost({ pos, bytesRead }: FileStream, { bytesSent }: StreamTransfer): Error {
  return badDestination('The destination was closed before the last byte', { bytesSent, offset: pos ?? bytesRead })
}

/** The file has `missing` bytes fewer than a message has announced. */
export function cutShort({ path, pos, bytesRead }: FileStream, { bytesSent }: StreamTransfer, missing: number): Error {
  return truncated(bytesSent + missing, { bytesSent, offset: pos ?? bytesRead }, path?.toString())
}

export function isDestroyed(destination: Destination): boolean {
  return Reflect.get(destination, 'destroyed') === true
}

function isReadError(error: Error): boolean {
  return 'syscall' in error && error.syscall === 'read'
}

function destroy(destination: Destination, error: Error): void {
  const method: unknown = Reflect.get(destination, 'destroy')
  if (typeof method === 'function') Reflect.apply(method, destination, [error])
}
