/** Private fields of Node: the hooks of sockets, and what http knows of a message. Their handles are lib/node/handle.ts. */
import type http from 'node:http'
import type net from 'node:net'

import { OBSTACLE, type Obstacle } from '../errors/obstacle.ts'
import { unheld } from '../destination/hold.ts'
import { type Entries, inTurn, type Runs } from '../ordering/writev.ts'
import {
  type Hook,
  KEY,
  type Place,
  PROTOCOL,
  type Segment,
  segmentOf,
  type WriteCallback,
  type WriteChunk,
} from '../ordering/marker.ts'
import { define, guardSocket, handleFd, handleName, type PrivateSocket, queued, unguardSocket } from './handle.ts'
import { withMethod } from './readable.ts'
import { declareOurs, hasOwnWrites as areOwnWrites, isOurs, isOwnWrite, writeAsOwn } from './unpatched.ts'

/** A hook, with what only the copy of the package that made it needs. */
interface OwnHook extends Hook {
  /** The methods that the socket had of its own; `undefined` if those of its prototypes are called, as they are then. */
  readonly inner: Inner | undefined
  readonly obstacleTo: ObstacleTo
}

type Inner = Pick<PrivateSocket, '_write' | '_destroy'> & { _writev?: PrivateSocket['_writev'] | undefined }

interface HookedSocket extends PrivateSocket {
  /** Of a client, with the answer to it. */
  readonly _httpMessage?: { readonly res?: { readonly complete: boolean } | null } | null
  [KEY]: OwnHook
}

interface PrivateMessage extends http.OutgoingMessage {
  readonly _hasBody: boolean
  readonly _header: string | null
  readonly _flushOutput: Function
}

/** Why the kernel cannot send to a socket, `undefined` if it can. */
type ObstacleTo = (socket: net.Socket) => Obstacle | undefined

const EMPTY = Buffer.alloc(0)

/**
 * Whether this thread is a worker: there process.abort and its like are disabled (lib/internal/process/worker_thread_only.js).
 * node:worker_threads would say so as well, but replaces process.chdir when it is loaded (lib/internal/worker.js).
 */
export const isWorker = Reflect.get(process.abort, 'disabled') === true

/* ---------------------------------------------------------------- sockets */

/**
 * Whether `_write` and `_writev` are Node's own, or a hook that speaks our protocol over Node's own. Whoever has put a
 * function around the hook would see the markers.
 */
export function hasOwnWrites(socket: net.Socket): boolean {
  const target = socket as PrivateSocket
  const hook = target[KEY] as OwnHook | undefined
  if (hook === undefined) return areOwnWrites(socket, target)
  if (hook.protocol !== PROTOCOL || !isOurs(target._write) || !isOurs(target._writev)) return false
  return areOwnWrites(socket, innerOf(target as HookedSocket))
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
    inner: HOOKED.some((name) => Object.hasOwn(target, name)) ? { _write, _writev, _destroy } : undefined,
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

const HOOKED = ['_write', '_writev', '_destroy'] as const

/** What the hook of a socket stands before. A prototype may have been replaced since: whoever did it sees what is written. */
function innerOf(socket: HookedSocket): Inner {
  return socket[KEY].inner ?? (Object.getPrototypeOf(socket) as PrivateSocket)
}

function hookedWrite(this: HookedSocket, chunk: unknown, encoding: BufferEncoding, callback: WriteCallback): void {
  const segment = segmentOf(chunk)
  if (segment === undefined) innerOf(this)._write.call(this, chunk, encoding, callback)
  else deliver(this, segment, callback)
}

function hookedWritev(this: HookedSocket, entries: Entries, callback: WriteCallback): void {
  if (entries.some(({ chunk }) => segmentOf(chunk) !== undefined)) inTurn(entries, new SocketRuns(this), callback)
  else innerOf(this)._writev?.call(this, entries, callback)
}

function hookedDestroy(this: HookedSocket, error: Error | null, callback: WriteCallback): void {
  const { running } = this[KEY]
  // `resetAndDestroy()` sets the flag, `_destroy` clears it.
  running?.destroyed(error, this.resetAndClosing === true)
  const { _destroy } = innerOf(this)
  if (running === undefined || !isServed(this) || !isReset(error)) return _destroy.call(this, error, callback)
  afterRunning(this[KEY], performance.now(), () => _destroy.call(this, error, callback))
}

/** Whether http answers on it: that hears its 'error', whenever it comes. Others may listen as long as they send. */
function isServed({ server, _httpMessage: message }: HookedSocket): boolean {
  return server !== undefined && server !== null && message !== undefined && message !== null
}

/** The peer has reset the connection. */
function isReset(error: object | null): boolean {
  return error !== null && 'syscall' in error && error.syscall === 'read'
}

/** How long the engine's thread may take to answer, in ms. */
const ANSWER_MS = 50

/**
 * A peer that has everything may reset the connection before the thread that has sent it comes to say so: what was sent to
 * the end has to be told before 'close'.
 */
function afterRunning(hook: Hook, since: number, action: () => void): void {
  if (hook.running === undefined || performance.now() - since > ANSWER_MS) action()
  else setImmediate(afterRunning, hook, since, action)
}

/** How many turns of the event loop without a byte show that there is none. */
const QUIET_TURNS = 2

function afterReading(socket: HookedSocket, action: () => void, bytesRead = socket.bytesRead, quiet = 0): void {
  const isOver = socket.destroyed || socket.readableEnded || quiet === QUIET_TURNS
  if (isOver) return action()
  const next = socket.bytesRead === bytesRead ? quiet + 1 : 0
  setImmediate(afterReading, socket, action, socket.bytesRead, next)
}

/** Whether a socket has the whole answer to the request that it carries. */
function isAnswered({ _httpMessage: message }: HookedSocket): boolean {
  return message?.res?.complete === true
}

/** The prototype's `bytesWritten` adds to this what is still queued. */
function hookedBytesDispatched(this: HookedSocket): number {
  return (Reflect.get(Object.getPrototypeOf(this), '_bytesDispatched', this) as number) + this[KEY].dispatched
}

declareOurs(hookedWrite)
declareOurs(hookedWritev)

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
    else innerOf(socket)._writev?.call(socket, run, callback)
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
  else innerOf(socket)._write.call(socket, head.subarray(sent), 'buffer' as BufferEncoding, callback)
  return true
}

function deliver(socket: HookedSocket, segment: Segment, callback: WriteCallback): void {
  const { obstacleTo } = socket[KEY]
  const write: WriteChunk = (chunk, written) =>
    innerOf(socket)._write.call(socket, chunk, 'buffer' as BufferEncoding, written)
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

  afterReading(action: (isAnswered: boolean) => void): void {
    const socket = this.#socket
    afterReading(socket, () => action(isAnswered(socket)))
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

/**
 * Lets a message that has no socket yet hand its markers on past whoever has replaced `write` of the socket it gets, or
 * replaces it while the message waits.
 */
export function hookFlush(message: http.OutgoingMessage): void {
  if (!Object.hasOwn(message, '_flushOutput')) define(message, '_flushOutput', hookedFlush)
}

function hookedFlush(this: http.OutgoingMessage, socket: net.Socket): unknown {
  Reflect.deleteProperty(this, '_flushOutput')
  const flush = (): unknown => Reflect.apply((this as PrivateMessage)._flushOutput, this, [socket])
  if (isOwnWrite(socket, unheld(socket, 'write'))) return flush()
  const { write } = socket
  const past = (...args: unknown[]): unknown =>
    segmentOf(args[0]) === undefined ? Reflect.apply(write, socket, args) : writeAsOwn(socket, ...args)
  return withMethod(socket, 'write', past, flush)
}

declareOurs(hookedFlush)

/** False for HEAD, 204 and 304: http drops what is written. Known once the headers are. */
export function hasBody(message: http.OutgoingMessage): boolean {
  return (message as PrivateMessage)._hasBody
}

/** The status line and headers as they go out; `null` until they are fixed. */
export function sentHeader(message: http.OutgoingMessage): string | null {
  return (message as PrivateMessage)._header
}
