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
  encrypted?: boolean
  resetAndClosing?: boolean
  _unrefTimer(): void
  [KEY]?: Hook
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
  const hook: Hook = { protocol: PROTOCOL, dispatched: 0, running: undefined, guard: undefined }
  const own = new HookedMethods(target, hook, obstacleTo)
  Object.defineProperty(target, KEY, { value: hook })
  define(target, '_write', own.write.bind(own))
  if (typeof target._writev === 'function') define(target, '_writev', own.writev.bind(own))
  define(target, '_destroy', own.destroy.bind(own))
  // The prototype's `bytesWritten` adds what is still queued to this.
  const dispatched = own.bytesDispatched.bind(own, Object.getPrototypeOf(target))
  if ('_bytesDispatched' in target) {
    Object.defineProperty(target, '_bytesDispatched', { configurable: true, get: dispatched })
  }
}

function define(target: object, name: string, value: unknown, enumerable = false): void {
  Object.defineProperty(target, name, { configurable: true, writable: true, enumerable, value })
}

/** What a hooked socket does in place of Node's own methods. */
class HookedMethods {
  readonly #socket: PrivateSocket
  readonly #hook: Hook
  readonly #obstacleTo: ObstacleTo
  /** The methods as they were before. */
  readonly #inner: Pick<PrivateSocket, '_write' | '_writev' | '_destroy'>

  constructor(socket: PrivateSocket, hook: Hook, obstacleTo: ObstacleTo) {
    this.#socket = socket
    this.#hook = hook
    this.#obstacleTo = obstacleTo
    const { _write, _writev, _destroy } = socket
    this.#inner = { _write, _destroy, ...(_writev === undefined ? {} : { _writev }) }
  }

  write(chunk: unknown, encoding: BufferEncoding, callback: WriteCallback): void {
    const segment = segmentOf(chunk)
    if (segment === undefined) this.#inner._write.call(this.#socket, chunk, encoding, callback)
    else this.#deliver(segment, callback)
  }

  writev(entries: Entries, callback: WriteCallback): void {
    if (entries.some(({ chunk }) => segmentOf(chunk) !== undefined)) this.#writeInTurn(entries, callback)
    else this.#inner._writev?.call(this.#socket, entries, callback)
  }

  destroy(error: Error | null, callback: WriteCallback): void {
    // `resetAndDestroy()` sets the flag, `_destroy` clears it.
    this.#hook.running?.destroyed(error, this.#socket.resetAndClosing === true)
    this.#inner._destroy.call(this.#socket, error, callback)
  }

  bytesDispatched(prototype: object): number {
    return (Reflect.get(prototype, '_bytesDispatched', this.#socket) as number) + this.#hook.dispatched
  }

  /** Each run of ordinary chunks goes to Node's own `_writev`, each marker to its segment. */
  #writeInTurn(entries: Entries, callback: WriteCallback): void {
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
        this.#writeRun(entries, from, next, step)
      }
      looping = false
    }
    step()
  }

  #writeRun(entries: Entries, from: number, to: number, callback: WriteCallback): void {
    const run: Entries = entries.slice(from, to)
    const [first] = run
    if (first !== undefined && run.length === 1) return this.write(first.chunk, first.encoding, callback)
    if (entries.allBuffers !== undefined) run.allBuffers = entries.allBuffers
    this.#inner._writev?.call(this.#socket, run, callback)
  }

  #deliver(segment: Segment, callback: WriteCallback): void {
    const socket = this.#socket
    const write: WriteChunk = (chunk, written) =>
      this.#inner._write.call(socket, chunk, 'buffer' as BufferEncoding, written)
    if (socket.connecting || socket._handle === null) {
      // An ordinary write of nothing waits for the connection, or says in Node's words that the socket is closed.
      write(EMPTY, (error) => (error ? callback(error) : this.#deliver(segment, callback)))
    } else {
      const place = placeOf(socket, this.#hook)
      const obstacle = this.#obstacleTo(socket) ?? (place.fd < 0 ? NO_DESCRIPTOR : undefined)
      if (obstacle === undefined) segment.deliver(place, callback)
      else segment.materialise(place, write, obstacle, callback)
    }
  }
}

/** The end of the run that begins at `from`: a marker alone, or ordinary chunks up to the next one. */
function runEnd(entries: Entries, from: number): number {
  if (segmentOf(entries[from]?.chunk) !== undefined) return from + 1
  const end = entries.findIndex(({ chunk }, index) => index > from && segmentOf(chunk) !== undefined)
  return end === -1 ? entries.length : end
}

function placeOf(socket: PrivateSocket, hook: Hook): Place {
  return {
    fd: handleFd(socket),
    hook,
    destroy: () => void socket.destroy(),
    refreshIdleTimer: () => socket._unrefTimer(),
    idleTimeout: socket.timeout ?? 0,
    guard: () => guardSocket(socket),
  }
}

/**
 * Who takes a socket over writes to its handle past `_write`: our bytes would be torn apart or lost. Until the returned
 * function is called, `_handle` knows who is asking. HTTP/2 is shown none, so that it writes through the stream, behind
 * us; child.send() gets ERR_SENDFILE_BUSY. TLS waits by itself while `writableLength` is above 0.
 */
export function guardSocket(socket: net.Socket): () => void {
  const target = socket as PrivateSocket
  const hook = target[KEY]
  if (hook === undefined) return () => {}
  const guard = (hook.guard ??= { holders: 0, lift: guardHandle(target) })
  guard.holders += 1
  let released = false
  return () => {
    if (released) return
    released = true
    guard.holders -= 1
    if (guard.holders > 0) return
    hook.guard = undefined
    guard.lift()
  }
}

/** Returns how to make `_handle` an ordinary property again. */
function guardHandle(socket: PrivateSocket): () => void {
  let handle = socket._handle
  Object.defineProperty(socket, '_handle', {
    configurable: true,
    enumerable: true,
    get() {
      const module = readerOnStack()
      if (module === CHILD_PROCESS) throw busy('another process')
      return module === HTTP2 ? null : handle
    },
    set(value: Handle | null) {
      handle = value
    },
  })
  return () => define(socket, '_handle', handle, true)
}

const HTTP2 = 'node:internal/http2/core'
const CHILD_PROCESS = 'node:internal/child_process'

/** Which of Node's modules that take sockets over is reading `_handle`, judged by the innermost frames. */
function readerOnStack(): string | undefined {
  const { stackTraceLimit, prepareStackTrace } = Error
  Error.stackTraceLimit = 3
  Error.prepareStackTrace = undefined as never
  const { stack = '' } = new Error()
  Error.stackTraceLimit = stackTraceLimit
  Error.prepareStackTrace = prepareStackTrace as never
  return [HTTP2, CHILD_PROCESS].find((module) => stack.includes(module))
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
