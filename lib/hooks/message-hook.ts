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
  _flushOutput: (socket: net.Socket) => unknown
  readonly outputData: Waiting[]
  /** Adds the hooks to the socket of the message; `undefined` once it has them. */
  [KEY]: ((socket: net.Socket) => void) | undefined
}

/** Lets a message without a socket pass its markers to the socket that it will get; `hook` adds the hooks to that. */
export function hookFlush(message: http.OutgoingMessage, hook: (socket: net.Socket) => void): void {
  const target = message as PrivateMessage
  if (Object.hasOwn(message, '_flushOutput') && target._flushOutput !== hookedFlush) return
  // Assigned, and not removed afterwards: defined or deleted properties make a message a slow object to V8.
  target[KEY] = hook
  target._flushOutput = hookedFlush
}

/**
 * Node passes what waits to `write` of the socket. That may have been replaced, or the hooks of the socket may belong to a
 * copy of this package with another protocol. Then the bytes of the segments are written in place of the markers.
 */
function hookedFlush(this: PrivateMessage, socket: net.Socket): unknown {
  const { outputData, [KEY]: hook } = this
  const { _flushOutput: flush } = Object.getPrototypeOf(this) as PrivateMessage
  const first = hook === undefined ? -1 : outputData.findIndex(({ data }) => segmentOf(data) !== undefined)
  this[KEY] = undefined
  if (hook === undefined || first === -1) return flush.call(this, socket)
  hook(socket)
  const takesMarkers = isOwnWrite(socket, visibleMethod(socket, 'write')) && isHooked(socket)
  if (takesMarkers) return flush.call(this, socket)
  const remaining = outputData.splice(first)
  flush.call(this, socket)
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
