/** Ends the destination of a pipe after the last byte. */
import http from 'node:http'

import { isClosedForWriting } from '../node/connection-loss.ts'
import { connectionOf } from '../destination/stream.ts'
import type { Destination } from '../hooks/hold.ts'
import { bodyTaken, isStrict } from '../node/outgoing-message.ts'
import { awaitsDrain, type FileStream, isPipedTo } from '../node/readable.ts'

/**
 * Ends the stream directly after the last byte, because the peer may have received everything and may disconnect. Such a
 * connection does not emit the 'drain' that the pipe waits for (lib/internal/streams/writable.js, afterWrite), or it has
 * already removed the pipe. `isWhole`: the kernel has accepted every byte of the stream.
 */
export function endPipe(source: FileStream, destination: Destination, isWhole: boolean): void {
  if (throwsAtEnd(destination)) return void source.destroy()
  if (isWhole && destination instanceof http.OutgoingMessage) bodyTaken(destination)
  source.push(null)
  if (isClosedForWriting(connectionOf(destination)) && (awaitsDrain(source, destination) || !isPipedTo(source)))
    source.resume()
}

/** Whether `end()` would throw: a message with strictContentLength was destroyed because the file is too short. */
function throwsAtEnd(destination: unknown): boolean {
  return destination instanceof http.OutgoingMessage && destination.destroyed && isStrict(destination)
}
