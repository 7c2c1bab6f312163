/** The hook of an http message that waits for its socket, and what http knows of a message. */
import type http from 'node:http'
import type net from 'node:net'

import { callUnheld, inOrder, visible } from '../destination/hold.ts'
import { wrapped } from '../errors/obstacle.ts'
import {
  type Hook,
  KEY,
  PROTOCOL,
  type Segment,
  segmentOf,
  type WriteCallback,
  type WriteChunk,
} from '../ordering/marker.ts'
import { define } from './handle.ts'
import { isHooked } from './socket-hook.ts'
import { type HookedSocket, SocketPlace } from './socket-place.ts'
import { declareOurs, isOwnWrite } from './unpatched.ts'

/** A chunk that waits for the socket of its message. */
interface Waiting {
  readonly data: unknown
  readonly encoding?: BufferEncoding | null
  readonly callback?: WriteCallback | null
}

interface PrivateMessage extends http.OutgoingMessage {
  readonly _hasBody: boolean
  readonly _header: string | null
  readonly _contentLength?: unknown
  readonly _flushOutput: (socket: net.Socket) => unknown
  readonly outputData: Waiting[]
  [KEY]: (socket: net.Socket) => void
}

/** Lets a message that has no socket yet hand its markers on to the one it gets; `hook` teaches it what they are. */
export function hookFlush(message: http.OutgoingMessage, hook: (socket: net.Socket) => void): void {
  if (Object.hasOwn(message, '_flushOutput')) return
  define(message, KEY, hook)
  define(message, '_flushOutput', hookedFlush)
}

/**
 * What waits goes to `write` of the socket, which may be somebody else's by now, or that of a socket with hooks of a copy
 * of this package which does not know our markers. Then the bytes of the segments are written in their place.
 */
function hookedFlush(this: PrivateMessage, socket: net.Socket): unknown {
  const { outputData, [KEY]: hook } = this
  Reflect.deleteProperty(this, '_flushOutput')
  const first = outputData.findIndex(({ data }) => segmentOf(data) !== undefined)
  if (first === -1) return this._flushOutput(socket)
  hook(socket)
  const takesMarkers = isOwnWrite(socket, visible(socket, 'write')) && isHooked(socket)
  if (takesMarkers) return this._flushOutput(socket)
  const rest = outputData.splice(first)
  this._flushOutput(socket)
  for (const waiting of rest) pass(socket, waiting)
  // http has been answered that it has to wait.
  inOrder(socket, () => {
    if (this.writableNeedDrain && !socket.writableNeedDrain) socket.emit('drain')
  })
  return false
}

declareOurs(hookedFlush)

/** Writes what waited, in its order: while the bytes of a segment are being written, everything behind them is held. */
function pass(socket: net.Socket, { data, encoding, callback }: Waiting): void {
  const segment = segmentOf(data)
  if (segment === undefined) Reflect.apply(socket.write, socket, [data, encoding, callback])
  else inOrder(socket, () => copy(socket, segment, callback))
}

/** Writes the bytes of a segment as anybody would. */
function copy(socket: net.Socket, segment: Segment, callback: Waiting['callback']): Promise<void> {
  const place = new StreamPlace(socket as HookedSocket)
  const closed = (): void => place.hook.running?.destroyed(socket.errored, false)
  // Relies on the return value and 'drain': a wrapper may lose the callback.
  const write: WriteChunk = (chunk, written) => {
    if (callUnheld(socket, 'write', chunk) === false) socket.once('drain', written)
    else written()
  }
  socket.once('close', closed)
  return new Promise((resolve) => {
    segment.materialise(place, write, wrapped('write'), (error) => {
      socket.off('close', closed)
      if (error) socket.destroy(error)
      callback?.(error)
      resolve()
    })
  })
}

/** A socket that is written to from above: nobody has to be kept from it, and its hook may be another copy's. */
class StreamPlace extends SocketPlace {
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

/** False for HEAD, 204 and 304: http drops what is written. Known once the headers are. */
export function hasBody(message: http.OutgoingMessage): boolean {
  return (message as PrivateMessage)._hasBody
}

/** The status line and headers as they go out; `null` until they are fixed. */
export function sentHeader(message: http.OutgoingMessage): string | null {
  return (message as PrivateMessage)._header
}

/** The value of Content-Length in the headers that are fixed; `undefined` if they do not have it. */
export function sentLength(message: http.OutgoingMessage): string | undefined {
  const { _header: header, _contentLength: stored } = message as PrivateMessage
  if (header === null) return undefined
  // Node has stored it as well: a plain search for that is much faster than a regular expression.
  if (typeof stored === 'number' && header.includes(`\r\nContent-Length: ${stored}\r\n`)) return `${stored}`
  return /^content-length:(.*)$/im.exec(header)?.[1]
}
