/** The only file that touches a private field of Node: sockets' handles and hooks, and what http knows of a message. */
import http from 'node:http'
import net from 'node:net'

import { busy } from './errors.ts'
import {
  type Hook,
  KEY,
  type Obstacle,
  type Place,
  PROTOCOL,
  type Segment,
  segmentOf,
  type WriteCallback,
  type WriteChunk,
} from './marker.ts'

interface Handle {
  readonly fd?: number
}

interface PrivateSocket extends net.Socket {
  _handle: Handle | null
  /** The server that accepted it. */
  server?: { _connections: number } | null
  encrypted?: boolean
  resetAndClosing?: boolean
  _unrefTimer(): void
  [KEY]?: Hook
}

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

interface Entry {
  chunk: unknown
  encoding: BufferEncoding
}
/** Why the kernel cannot send to a socket, `undefined` if it can. */
type ObstacleTo = (socket: net.Socket) => Obstacle | undefined
type Entries = Entry[] & { allBuffers?: boolean }

const EMPTY = Buffer.alloc(0)
const NO_DESCRIPTOR: Obstacle = { code: 'PLATFORM', reason: 'the socket has no descriptor' }
const socketPrototype = net.Socket.prototype as PrivateSocket
const messagePrototype = http.OutgoingMessage.prototype as PrivateMessage

/* ---------------------------------------------------------------- sockets */

/** The class of the socket's handle; `undefined` before it connects and after it is closed. */
export function handleName(socket: net.Socket): string | undefined {
  return (socket as PrivateSocket)._handle?.constructor.name
}

/** The socket's number in this tick, or -1. */
export function handleFd(socket: net.Socket): number {
  return (socket as PrivateSocket)._handle?.fd ?? -1
}

/** Set on TLS sockets of every kind. */
export function isEncrypted(socket: net.Socket): boolean {
  return (socket as PrivateSocket).encrypted === true
}

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
    running: undefined,
    guard: undefined,
    inner: { _write, _writev, _destroy },
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

function define(target: object, name: PropertyKey, value: unknown): void {
  Object.defineProperty(target, name, { configurable: true, writable: true, value })
}

function hookedWrite(this: HookedSocket, chunk: unknown, encoding: BufferEncoding, callback: WriteCallback): void {
  const segment = segmentOf(chunk)
  if (segment === undefined) this[KEY].inner._write.call(this, chunk, encoding, callback)
  else deliver(this, segment, callback)
}

function hookedWritev(this: HookedSocket, entries: Entries, callback: WriteCallback): void {
  if (entries.some(({ chunk }) => segmentOf(chunk) !== undefined)) writeInTurn(this, entries, callback)
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

/** Each run of ordinary chunks goes to Node's own `_writev`, each marker to its segment. */
function writeInTurn(socket: HookedSocket, entries: Entries, callback: WriteCallback): void {
  let next = 0
  let looping = false
  let again = false
  // What calls back at once comes round in the loop, not by recursion: thousands of chunks may be queued.
  const step = (error?: Error | null): void => {
    if (error) return callback(error)
    again = true
    if (looping) return
    looping = true
    while (again) {
      again = false
      if (next === entries.length) return callback()
      const from = next
      next = runEnd(entries, from)
      writeRun(socket, entries, from, next, step)
    }
    looping = false
  }
  step()
}

function writeRun(socket: HookedSocket, entries: Entries, from: number, to: number, callback: WriteCallback): void {
  const run: Entries = entries.slice(from, to)
  const [first] = run
  if (first !== undefined && run.length === 1) {
    return hookedWrite.call(socket, first.chunk, first.encoding, callback)
  }
  if (entries.allBuffers !== undefined) run.allBuffers = entries.allBuffers
  socket[KEY].inner._writev?.call(socket, run, callback)
}

function deliver(socket: HookedSocket, segment: Segment, callback: WriteCallback): void {
  const { inner, obstacleTo } = socket[KEY]
  const write: WriteChunk = (chunk, written) => inner._write.call(socket, chunk, 'buffer' as BufferEncoding, written)
  if (socket.connecting || socket._handle === null) {
    // An ordinary write of nothing waits for the connection, or says in Node's words that the socket is closed.
    return write(EMPTY, (error) => (error ? callback(error) : deliver(socket, segment, callback)))
  }
  const place = new SocketPlace(socket)
  const obstacle = obstacleTo(socket) ?? (place.fd < 0 ? NO_DESCRIPTOR : undefined)
  if (obstacle === undefined) segment.deliver(place, callback)
  else segment.materialise(place, write, obstacle, callback)
}

/** The end of the run that begins at `from`: a marker alone, or ordinary chunks up to the next one. */
function runEnd(entries: Entries, from: number): number {
  if (segmentOf(entries[from]?.chunk) !== undefined) return from + 1
  const end = entries.findIndex(({ chunk }, index) => index > from && segmentOf(chunk) !== undefined)
  return end === -1 ? entries.length : end
}

class SocketPlace implements Place {
  readonly #socket: HookedSocket

  constructor(socket: HookedSocket) {
    this.#socket = socket
  }

  get fd(): number {
    return handleFd(this.#socket)
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

/**
 * Who takes a socket over writes to its handle past `_write`: our bytes would be torn apart or lost. Until
 * {@link unguardSocket}, the handle knows who is asking: HTTP/2 sees none that it could use, so that it writes through the
 * stream, behind us; child.send() gets ERR_SENDFILE_BUSY. TLS waits by itself while `writableLength` is above 0.
 */
export function guardSocket(socket: net.Socket): void {
  const target = socket as PrivateSocket
  const { _handle: handle, [KEY]: hook } = target
  if (hook === undefined || !handle) return
  if (hook.guard !== undefined) return void (hook.guard.holders += 1)
  hook.guard = { handle, holders: 1 }
  define(handle, KEY, socket)
  Object.defineProperty(handle, 'isStreamBase', { configurable: true, get: guardedIsStreamBase })
  Object.defineProperty(handle, 'onread', { configurable: true, get: guardedOnread, set: setGuardedOnread })
}

/** The end of one `guardSocket`. */
export function unguardSocket(socket: net.Socket): void {
  const hook = (socket as PrivateSocket)[KEY]
  const guard = hook?.guard
  if (hook === undefined || guard === undefined) return
  guard.holders -= 1
  if (guard.holders > 0) return
  hook.guard = undefined
  // Last in, first out, so that V8 can go back the way it came.
  for (const name of GUARDED) Reflect.deleteProperty(guard.handle, name)
}

const GUARDED = ['onread', 'isStreamBase', KEY]

/** lib/internal/http2/core.js wraps what is no StreamBase in a stream that writes by `socket.write`. */
function guardedIsStreamBase(): boolean {
  return !isReading(HTTP2)
}

function guardedOnread(this: object): unknown {
  return Reflect.get(Object.getPrototypeOf(this), 'onread', this)
}

/** The first thing that lib/internal/child_process.js does to the handle it is going to send away. */
function setGuardedOnread(this: { [KEY]: PrivateSocket }, listener: unknown): void {
  if (isReading(CHILD_PROCESS)) {
    const { server } = this[KEY]
    if (server) server._connections += 1 // it has counted the connection off before
    throw busy('another process')
  }
  Reflect.set(Object.getPrototypeOf(this), 'onread', listener, this)
}

const HTTP2 = 'node:internal/http2/core'
const CHILD_PROCESS = 'node:internal/child_process'

/** Whether a module of Node's is behind the property access, judged by the innermost frames. */
function isReading(module: string): boolean {
  const { stackTraceLimit, prepareStackTrace } = Error
  Error.stackTraceLimit = 3
  Error.prepareStackTrace = undefined as never
  const { stack = '' } = new Error()
  Error.stackTraceLimit = stackTraceLimit
  Error.prepareStackTrace = prepareStackTrace as never
  return stack.includes(module)
}

/* ---------------------------------------------------------------- http messages */

/** Whether what `write` hands on still reaches the socket as it is. */
export function hasOwnSend(message: http.OutgoingMessage): boolean {
  const { _send, _writeRaw } = message as PrivateMessage
  return _send === messagePrototype._send && _writeRaw === messagePrototype._writeRaw
}

/** False for HEAD, 204 and 304: http drops what is written. Known once the headers are. */
export function hasBody(message: http.OutgoingMessage): boolean {
  return (message as PrivateMessage)._hasBody
}

/** The status line and headers as they go out; `null` until they are fixed. */
export function sentHeader(message: http.OutgoingMessage): string | null {
  return (message as PrivateMessage)._header
}
