/** The end of a stream, told to the destination that it is piped to. */
import http from 'node:http'

import { isLeft } from '../node/connection-loss.ts'
import { connectionOf } from '../destination/stream.ts'
import type { Destination } from '../destination/hold.ts'
import { bodyTaken, isStrict } from '../node/outgoing-message.ts'
import { awaitsDrain, type FileStream, isPipedTo } from '../node/readable.ts'

/**
 * Tells the end behind the last byte, at once: the peer may have it all, and may leave. A connection that is ending or
 * gone because of that emits no 'drain' any more, for which the pipe waits (lib/internal/streams/writable.js, afterWrite); or has
 * taken the pipe away already. `isWhole`: the kernel has taken every byte of the stream.
 */
export function endPipe(source: FileStream, destination: Destination, isWhole: boolean): void {
  if (throwsAtEnd(destination)) return void source.destroy()
  if (isWhole && destination instanceof http.OutgoingMessage) bodyTaken(destination)
  source.push(null)
  if (isLeft(connectionOf(destination)) && (awaitsDrain(source, destination) || !isPipedTo(source))) source.resume()
}

/** A message with strictContentLength that was destroyed because the file is too short: nobody would catch the error. */
function throwsAtEnd(destination: unknown): boolean {
  return destination instanceof http.OutgoingMessage && destination.destroyed && isStrict(destination)
}
