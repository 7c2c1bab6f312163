/** Private fields of Node: the hooks of sockets, and what http knows of a message. Their handles are lib/node-handles.ts. */
import http from 'node:http'
import net from 'node:net'

import { OBSTACLE, type Obstacle } from './errors/obstacle.ts'
import { type Entries, inTurn, type Runs } from './in-turn.ts'
import {
  type Hook,
  KEY,
  type Place,
  PROTOCOL,
  type Segment,
  segmentOf,
  type WriteCallback,
  type WriteChunk,
} from './marker.ts'
import { define, guardSocket, handleFd, handleName, type PrivateSocket, queued, unguardSocket } from './node-handles.ts'
import { isCounted } from './node-messages.ts'

/** A hook, with what only the copy of the package that made it needs. */
interface OwnHook extends Hook {
  /** The methods as they were before. */
  readonly inner: Pick<PrivateSocket, '_write' | '_destroy'> & { _writev: PrivateSocket['_writev'] | undefined }
  readonly obstacleTo: ObstacleTo
}

interface HookedSocket extends PrivateSocket {
  [KEY]: OwnHook
}

interface PrivateMessage extends http.OutgoingMessage {
  readonly _hasBody: boolean
  readonly _header: string | null
  readonly _send: unknown
  readonly _writeRaw: unknown
}

/** Why the kernel cannot send to a socket, `undefined` if it can. */
type ObstacleTo = (socket: net.Socket) => Obstacle | undefined

const EMPTY = Buffer.alloc(0)
const socketPrototype = net.Socket.prototype as PrivateSocket
const messagePrototype = http.OutgoingMessage.prototype as PrivateMessage

/**
 * Whether this thread is a worker: there process.abort and its like are disabled (lib/internal/process/worker_thread_only.js).
 * node:worker_threads would say so as well, but replaces process.chdir when it is loaded (lib/internal/worker.js).
 */
export const isWorker = Reflect.get(process.abort, 'disabled') === true

/* ---------------------------------------------------------------- sockets */

/** Whether `_write` and `_writev` are Node's own, or a hook that speaks our protocol. */
export function hasOwnWrites(socket: net.Socket): boolean {
  const hook = (socket as PrivateSocket)[KEY]
  if (hook !== undefined) return hook.protocol === PROTOCOL
  return socket._write === socketPrototype._write && socket._writev === socketPrototype._writev
}

/** Teaches a socket what a marker is. Doing it again changes nothing. */
export function hookSocket(socket: net.Socket, obstacleTo: ObstacleTo): void {
  const target = socket as PrivateSocket
  if (target[KEY] !== undefined) return
  const { _write, _writev, _destroy } = target
  const hook: OwnHook = {
    protocol: PROTOCOL,
    dispatched: 0,
    moves: 0,
    running: undefined,
    guard: undefined,
    inner:
      _write === STOCK._write && _writev === STOCK._writev && _destroy === STOCK._destroy
        ? STOCK
        : { _write, _writev, _destroy },
    obstacleTo,
  }
  // The same functions for every socket: a closure of its own for each would cost it V8's fast properties.
  define(target, KEY, hook)
  define(target, '_write', hookedWrite)
  if (typeof _writev === 'function') define(target, '_writev', hookedWritev)
  define(target, '_destroy', hookedDestroy)
  if ('_bytesDispatched' in target) {
    Object.defineProperty(target, '_bytesDispatched', { configurable: true, get: hookedBytesDispatched })
  }
}

/** Of nearly every socket. */
const STOCK: OwnHook['inner'] = {
  _write: socketPrototype._write,
  _writev: socketPrototype._writev,
  _destroy: socketPrototype._destroy,
}

function hookedWrite(this: HookedSocket, chunk: unknown, encoding: BufferEncoding, callback: WriteCallback): void {
  const segment = segmentOf(chunk)
  if (segment === undefined) this[KEY].inner._write.call(this, chunk, encoding, callback)
  else deliver(this, segment, callback)
}

function hookedWritev(this: HookedSocket, entries: Entries, callback: WriteCallback): void {
  if (entries.some(({ chunk }) => segmentOf(chunk) !== undefined)) inTurn(entries, new SocketRuns(this), callback)
  else this[KEY].inner._writev?.call(this, entries, callback)
}

function hookedDestroy(this: HookedSocket, error: Error | null, callback: WriteCallback): void {
  // `resetAndDestroy()` sets the flag, `_destroy` clears it.
  this[KEY].running?.destroyed(error, this.resetAndClosing === true)
  this[KEY].inner._destroy.call(this, error, callback)
}

/** The prototype's `bytesWritten` adds to this what is still queued. */
function hookedBytesDispatched(this: HookedSocket): number {
  return (Reflect.get(Object.getPrototypeOf(this), '_bytesDispatched', this) as number) + this[KEY].dispatched
}

/** How the runs of one `_writev` reach a socket. */
class SocketRuns implements Runs {
  readonly #socket: HookedSocket

  constructor(socket: HookedSocket) {
    this.#socket = socket
  }

  write(run: Entries, callback: WriteCallback): void {
    const [first] = run
    const socket = this.#socket
    if (first !== undefined && run.length === 1) hookedWrite.call(socket, first.chunk, first.encoding, callback)
    else socket[KEY].inner._writev?.call(socket, run, callback)
  }

  writeBefore(segment: Segment, run: Entries, callback: WriteCallback): void {
    if (!sendAhead(this.#socket, run, segment, callback)) this.write(run, callback)
  }
}

/** Headers and chunk sizes are shorter. */
const HEAD_LIMIT = 16 * 1024

/**
 * A small run right before a segment goes out in the same TCP segment as its first bytes: an ordinary write would make
 * a packet of its own, and wake the peer once more. Everything before is in the kernel, as for the segment itself.
 * Returns whether that was done or begun; what the kernel did not take goes the ordinary way.
 */
function sendAhead(socket: HookedSocket, run: Entries, segment: Segment, callback: WriteCallback): boolean {
  if (socket.connecting || socket._handle === null) return false
  const length = run.reduce((sum, { chunk }) => sum + (chunk as Buffer | string).length, 0)
  const place = new SocketPlace(socket)
  if (length > HEAD_LIMIT || place.fd < 0 || socket[KEY].obstacleTo(socket) !== undefined) return false
  const head = Buffer.concat(
    run.map(({ chunk, encoding }) => (typeof chunk === 'string' ? Buffer.from(chunk, encoding) : (chunk as Buffer))),
  )
  const sent = segment.sendHead(place, head)
  if (sent === 0) return false
  if (sent === head.length) callback()
  else socket[KEY].inner._write.call(socket, head.subarray(sent), 'buffer' as BufferEncoding, callback)
  return true
}

function deliver(socket: HookedSocket, segment: Segment, callback: WriteCallback): void {
  const { inner, obstacleTo } = socket[KEY]
  const write: WriteChunk = (chunk, written) => inner._write.call(socket, chunk, 'buffer' as BufferEncoding, written)
  if (socket.connecting || socket._handle === null) {
    // An ordinary write of nothing waits for the connection, or says in Node's words that the socket is closed.
    return write(EMPTY, (error) => (error ? callback(error) : deliver(socket, segment, callback)))
  }
  const place = new SocketPlace(socket)
  const obstacle = obstacleTo(socket) ?? (place.fd < 0 ? OBSTACLE.noDescriptor : undefined)
  if (obstacle === undefined) segment.deliver(place, write, callback)
  else segment.materialise(place, write, obstacle, callback)
}

class SocketPlace implements Place {
  readonly #socket: HookedSocket

  constructor(socket: HookedSocket) {
    this.#socket = socket
  }

  get fd(): number {
    return handleFd(this.#socket)
  }

  get isTcp(): boolean {
    return handleName(this.#socket) === 'TCP'
  }

  get queued(): number {
    return queued(this.#socket)
  }

  get hook(): Hook {
    return this.#socket[KEY]
  }

  get idleTimeout(): number {
    return this.#socket.timeout ?? 0
  }

  destroy(): void {
    this.#socket.destroy()
  }

  refreshIdleTimer(): void {
    this.#socket._unrefTimer()
  }

  guard(): void {
    guardSocket(this.#socket)
  }

  unguard(): void {
    unguardSocket(this.#socket)
  }
}

/* ---------------------------------------------------------------- http messages */

/** Whether what `write` hands on still reaches the socket as it is. */
export function hasOwnSend(message: http.OutgoingMessage): boolean {
  const { _send, _writeRaw } = message as PrivateMessage
  return (_send === messagePrototype._send || isCounted(_send)) && _writeRaw === messagePrototype._writeRaw
}

/** False for HEAD, 204 and 304: http drops what is written. Known once the headers are. */
export function hasBody(message: http.OutgoingMessage): boolean {
  return (message as PrivateMessage)._hasBody
}

/** The status line and headers as they go out; `null` until they are fixed. */
export function sentHeader(message: http.OutgoingMessage): string | null {
  return (message as PrivateMessage)._header
}
