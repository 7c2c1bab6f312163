/** The hook of an http message that waits for its socket. */
import type http from 'node:http'
import type net from 'node:net'

import { callOriginal, inOrder, visibleMethod } from './hold.ts'
import { wrapped } from '../errors/obstacle.ts'
import {
  type Hook,
  KEY,
  PROTOCOL,
  type Segment,
  segmentOf,
  type WriteCallback,
  type WriteChunk,
} from '../node/marker.ts'
import { define } from '../node/handle.ts'
import { isHooked } from './socket-hook.ts'
import { type HookedSocket, HookedSegmentSocket } from './segment-socket.ts'
import { declareOurs, isOwnWrite } from '../node/unpatched.ts'

/** A chunk that waits for the socket of its message. */
interface Waiting {
  readonly data: unknown
  readonly encoding?: BufferEncoding | null
  readonly callback?: WriteCallback | null
}

interface PrivateMessage extends http.OutgoingMessage {
  readonly _flushOutput: (socket: net.Socket) => unknown
  readonly outputData: Waiting[]
  [KEY]: (socket: net.Socket) => void
}

/** Lets a message without a socket pass its markers to the socket that it will get; `hook` adds the hooks to that. */
export function hookFlush(message: http.OutgoingMessage, hook: (socket: net.Socket) => void): void {
  if (Object.hasOwn(message, '_flushOutput')) return
  define(message, KEY, hook)
  define(message, '_flushOutput', hookedFlush)
}

/**
 * Node passes what waits to `write` of the socket. That may have been replaced, or the hooks of the socket may belong to a
 * copy of this package with another protocol. Then the bytes of the segments are written in place of the markers.
 */
function hookedFlush(this: PrivateMessage, socket: net.Socket): unknown {
  const { outputData, [KEY]: hook } = this
  Reflect.deleteProperty(this, '_flushOutput')
  const first = outputData.findIndex(({ data }) => segmentOf(data) !== undefined)
  if (first === -1) return this._flushOutput(socket)
  hook(socket)
  const takesMarkers = isOwnWrite(socket, visibleMethod(socket, 'write')) && isHooked(socket)
  if (takesMarkers) return this._flushOutput(socket)
  const remaining = outputData.splice(first)
  this._flushOutput(socket)
  for (const waiting of remaining) pass(socket, waiting)
  // This function returns false, so http waits for 'drain'.
  inOrder(socket, () => {
    if (this.writableNeedDrain && !socket.writableNeedDrain) socket.emit('drain')
  })
  return false
}

declareOurs(hookedFlush)

/** Writes a chunk that has waited, in order: while the bytes of a segment are written, a hold delays what follows. */
function pass(socket: net.Socket, { data, encoding, callback }: Waiting): void {
  const segment = segmentOf(data)
  if (segment === undefined) Reflect.apply(socket.write, socket, [data, encoding, callback])
  else inOrder(socket, () => copy(socket, segment, callback))
}

/** Writes the bytes of a segment through `write` of the socket. */
function copy(socket: net.Socket, segment: Segment, callback: Waiting['callback']): Promise<void> {
  const segmentSocket = new UnhookedSegmentSocket(socket as HookedSocket)
  const closed = (): void => segmentSocket.hook.running?.destroyed(socket.errored, false)
  // Uses the return value and 'drain', because a wrapper may not pass the callback on.
  const write: WriteChunk = (chunk, written) => {
    if (callOriginal(socket, 'write', chunk) === false) socket.once('drain', written)
    else written()
  }
  socket.once('close', closed)
  return new Promise((resolve) => {
    segment.materialize(segmentSocket, write, wrapped('write'), (error) => {
      socket.off('close', closed)
      if (error) socket.destroy(error)
      callback?.(error)
      resolve()
    })
  })
}

/** A socket that is written to through `write`: no guard is needed, and its hook may belong to another copy. */
class UnhookedSegmentSocket extends HookedSegmentSocket {
  override readonly hook: Hook = {
    protocol: PROTOCOL,
    dispatched: 0,
    moves: 0,
    running: undefined,
    guard: undefined,
  }

  override guard(): void {}

  override unguard(): void {}
}
