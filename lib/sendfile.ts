/** The Promise API. */
import type http from 'node:http'
import type net from 'node:net'

import { anyBinding } from './binding.ts'
import { parseDestination } from './destination.ts'
import { contextOfCall, isTraced, traceTransfer } from './diagnostics.ts'
import { aborted } from './errors.ts'
import type { Destination } from './hold.ts'
import { parseOptions, type SendfileOptions } from './options.ts'
import { Sending } from './sending.ts'
import type { SendfileResult } from './settlement.ts'
import { parseSource, type SourceArgument } from './source.ts'

/** What can be sent to. */
export type DestinationArgument = net.Socket | http.ServerResponse | http.ClientRequest | Destination

/**
 * Sends a range of a file to a socket, an http message or any Writable; the kernel moves the bytes where it can.
 *
 * What was written to the destination before goes first; from this call on, what is written later waits. The
 * destination stays open unless `end` is set. The file must not be changed until the peer has it: the kernel sends
 * pages, not copies (sendfile(2), NOTES).
 *
 * @throws {TypeError} ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE and {RangeError} ERR_OUT_OF_RANGE, before anything
 * is opened
 * @throws {SendfileError} everything else, with `code`, `bytesSent` and `offset`
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
  const send = (): Promise<SendfileResult | SendfileResult<bigint>> =>
    new Promise((resolve, reject) => {
      const target = parseDestination(destination)
      const parsed = parseSource(source)
      const request = parseOptions(options)
      anyBinding()
      if (request.signal?.aborted === true) throw aborted(request.signal)
      new Sending(target, parsed, request, { resolve, reject }).begin()
    })
  return isTraced() ? traceTransfer(contextOfCall(destination, source, options), send) : send()
}
