/** The Promise API. */
import type http from 'node:http'
import type { FileHandle } from 'node:fs/promises'
import type net from 'node:net'

import { anyBinding } from './native/load.ts'
import { parseDescriptor } from './destination/descriptor.ts'
import { DescriptorSending } from './transfer/to-descriptor.ts'
import { parseDestination } from './destination/stream.ts'
import { contextOfCall, isTraced, traceTransfer } from './trace/channels.ts'
import { aborted } from './errors/sendfile-error.ts'
import type { Destination } from './hooks/hold.ts'
import { parseOptions, readOptions, type SendfileOptions } from './options/sendfile.ts'
import { Sending } from './transfer/to-stream.ts'
import type { SendfileResult } from './transfer/result.ts'
import { parseSource, type SourceArgument } from './source/parse.ts'

/** The destination: a stream, an http message, a FileHandle or a descriptor number. */
export type DestinationArgument =
  | net.Socket
  | http.ServerResponse
  | http.ClientRequest
  | Destination
  | FileHandle
  | number

/**
 * Sends a range of a file to a socket, an http message, any Writable, a FileHandle or a descriptor. The kernel moves the
 * bytes if it can; otherwise they are copied.
 *
 * Bytes that were written to the stream before the call are sent before the file; later writes wait. Several transfers to
 * the same descriptor are queued; the caller is responsible for the order of everything else that it writes to a
 * descriptor. A destination file is written at its own file position, which moves. The destination stays open unless `end`
 * is set. Do not change the file until the peer has received it: the kernel sends pages, not copies (sendfile(2), NOTES).
 *
 * @example
 * const { bytesSent, method } = await sendfile(res, 'video.mp4', { end: true })
 * await sendfile(socket, fileHandle, { offset: 1024, count: 4096, signal: AbortSignal.timeout(5000) })
 *
 * @throws {TypeError} ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE and {RangeError} ERR_OUT_OF_RANGE, before a file is
 * opened
 * @throws {SendfileError} every other failure, with `code`, `bytesSent` and `offset`
 */
export function sendfile(
  destination: DestinationArgument,
  source: SourceArgument,
  options: SendfileOptions & { bigint: true },
): Promise<SendfileResult<bigint>>
export function sendfile(
  destination: DestinationArgument,
  source: SourceArgument,
  options?: SendfileOptions,
): Promise<SendfileResult>
export function sendfile(
  destination: DestinationArgument,
  source: SourceArgument,
  options?: SendfileOptions,
): Promise<SendfileResult | SendfileResult<bigint>> {
  if (!isTraced()) return send(destination, source, options)
  try {
    const read = readOptions(options)
    return traceTransfer(contextOfCall(destination, source, read), () => send(destination, source, read))
  } catch (error) {
    return Promise.reject(error) // A getter of the options threw.
  }
}

function send(
  destination: unknown,
  source: unknown,
  options: unknown,
): Promise<SendfileResult | SendfileResult<bigint>> {
  return new Promise((resolve, reject) => {
    const descriptor = parseDescriptor(destination)
    const target = descriptor === undefined ? parseDestination(destination) : undefined
    const parsed = parseSource(source)
    const request = parseOptions(options)
    anyBinding()
    if (request.signal?.aborted === true) throw aborted(request.signal)
    const settle = { resolve, reject }
    if (descriptor !== undefined) new DescriptorSending(descriptor, parsed, request, settle).begin()
    else if (target !== undefined) new Sending(target, parsed, request, settle).begin()
  })
}
