/** Private fields of a socket's handle: its descriptor, its queue, and the guard against another owner. */
import http from 'node:http'
import net from 'node:net'
import tls from 'node:tls'

import { busy } from '../errors/sendfile-error.ts'
import { type Hook, KEY } from './marker.ts'
import { servesOwner } from './unpatched.ts'

interface Handle {
  readonly fd?: number
  /** Bytes that libuv has not written yet. */
  readonly writeQueueSize?: number
  setBlocking?(blocking: boolean): void
}

export interface PrivateSocket extends net.Socket {
  _handle: Handle | null
  /** The server that accepted it. */
  server?: { _connections: number } | null
  encrypted?: boolean
  /** Bytes that libuv has been given. */
  readonly _bytesDispatched?: number
  resetAndClosing?: boolean
  _unrefTimer(): void
  [KEY]?: Hook
}

/** The class of the socket's handle; `undefined` before it connects and after it is closed. */
export function handleName(socket: net.Socket): string | undefined {
  const { _handle: handle } = socket as PrivateSocket
  return handle ? classOf(handle).name : undefined
}

/** The socket's number in this tick, or -1. */
export function handleFd(socket: net.Socket): number {
  return (socket as PrivateSocket)._handle?.fd ?? -1
}

/**
 * What a stream has been given and not passed on, in bytes: its own queue, and under a socket that of libuv, which falls
 * while a large write is under way.
 */
export function outstanding(stream: object): number {
  const { writableLength, socket } = stream as { writableLength?: unknown; socket?: unknown }
  const length = typeof writableLength === 'number' ? writableLength : 0
  const under = stream instanceof http.OutgoingMessage ? socket : stream
  return under instanceof net.Socket ? length + queued(under) : length
}

/** What libuv has been given for a socket and has not written, in bytes. It falls while a large write is under way. */
export function queued(socket: net.Socket): number {
  return (socket as PrivateSocket)._handle?.writeQueueSize ?? 0
}

/** What a socket is busy with: a write of libuv's or a transfer. It changes as bytes go; `undefined` while it is idle. */
export function underway(socket: net.Socket): string | undefined {
  const { _handle: handle, _bytesDispatched: dispatched, [KEY]: hook } = socket as PrivateSocket
  const queued = handle?.writeQueueSize ?? 0
  return queued === 0 && hook?.running === undefined ? undefined : `${queued} ${dispatched} ${hook?.moves ?? 0}`
}

/** Node makes terminals wait for their reader in the event loop (lib/tty.js, WriteStream). This one is ours. */
export function doNotBlock(terminal: net.Socket): void {
  ;(terminal as PrivateSocket)._handle?.setBlocking?.(false)
}

/** Set on TLS sockets of every kind. */
export function isEncrypted(socket: net.Socket): boolean {
  return (socket as PrivateSocket).encrypted === true
}

/**
 * Whether a transfer can keep the handle of a socket in these hands: only then may bytes go past the stream. `true` also
 * before there is a handle, and after it is closed.
 */
export function canBeGuarded(socket: net.Socket): boolean {
  const { _handle: handle } = socket as PrivateSocket
  if (!handle) return true
  tlsModule ??= findTls()
  if (tlsModule === '') return false
  return classOf(handle).hasAccessors && Object.isExtensible(handle)
}

interface HandleClass {
  readonly prototype: object
  readonly name: string
  /** Whether handles of the class have the properties that {@link guardSocket} replaces. */
  readonly hasAccessors: boolean
}

/** The class of the last handle: nearly all handles of a process are of one class, and Node does not change it. */
let lastClass: HandleClass | undefined

function classOf(handle: Handle): HandleClass {
  const prototype = Object.getPrototypeOf(handle) as { readonly isStreamBase?: unknown }
  if (lastClass?.prototype === prototype) return lastClass
  const hasAccessors = prototype.isStreamBase === true && 'onread' in prototype
  lastClass = { prototype, name: handle.constructor.name, hasAccessors }
  return lastClass
}

/**
 * Who takes a socket over writes to its handle past `_write`: our bytes would be torn apart or lost. Until
 * {@link unguardSocket}, nobody can. HTTP/2 sees no handle that it could use, so that it writes through the stream, behind
 * the transfer; child.send() gets ERR_SENDFILE_BUSY. TLS waits by itself while `writableLength` is above 0, and is shown the
 * handle; what is not known is not.
 */
export function guardSocket(socket: net.Socket): void {
  const target = socket as PrivateSocket
  const { _handle: handle, [KEY]: hook } = target
  if (hook === undefined || !handle) return
  if (hook.guard !== undefined) return void (hook.guard.holders += 1)
  hook.guard = { handle, holders: 1 }
  // They stay: to add and remove them for each transfer takes V8 longer than all else that a transfer does to its socket.
  if (Object.hasOwn(handle, KEY)) return
  define(handle, KEY, socket)
  Object.defineProperty(handle, 'isStreamBase', { configurable: true, get: guardedIsStreamBase })
  Object.defineProperty(handle, 'onread', { configurable: true, get: guardedOnread, set: setGuardedOnread })
}

interface GuardedHandle {
  readonly [KEY]: PrivateSocket
}

/** Whether a transfer needs the handle now. */
function isGuarded(handle: GuardedHandle): boolean {
  return handle[KEY][KEY]?.guard?.handle === handle
}

/** The end of one `guardSocket`. */
export function unguardSocket(socket: net.Socket): void {
  const hook = (socket as PrivateSocket)[KEY]
  const guard = hook?.guard
  if (hook === undefined || guard === undefined) return
  guard.holders -= 1
  if (guard.holders === 0) hook.guard = undefined
}

/**
 * lib/internal/http2/core.js wraps what is no StreamBase in a stream that writes by `socket.write`; lib/_http_server.js
 * reads from the stream then. TLS asserts that it is one.
 */
function guardedIsStreamBase(this: GuardedHandle): boolean {
  return !isGuarded(this) || readingModule() === tlsModule
}

/** The module of Node's that wraps handles for TLS, '' if it cannot be told; `undefined` until a transfer wants to know. */
let tlsModule: string | undefined

/** Lets TLS read the property of something that is no handle, and looks who that was. */
function findTls(): string {
  let module = ''
  const handle = {
    get isStreamBase(): boolean {
      module = readingModule()
      return false // so that nothing is wrapped: the assertion fails
    },
  }
  try {
    const { _wrapHandle: wrap } = tls.TLSSocket.prototype as unknown as { _wrapHandle: Function }
    Reflect.apply(wrap, { _tlsOptions: {} }, [undefined, handle, false])
  } catch {
    // the assertion, or a Node that is not known yet
  }
  return module
}

/** The module of Node's that is behind an access to a property, by the innermost frames; '' if there is none. */
function readingModule(): string {
  const { stackTraceLimit, prepareStackTrace } = Error
  // Where Error is frozen, they stay as they are.
  Reflect.set(Error, 'stackTraceLimit', 3)
  Reflect.set(Error, 'prepareStackTrace', undefined)
  const { stack } = new Error()
  Reflect.set(Error, 'stackTraceLimit', stackTraceLimit)
  Reflect.set(Error, 'prepareStackTrace', prepareStackTrace)
  return /\((node:[^:)]+)/.exec(String(stack))?.[1] ?? ''
}

function guardedOnread(this: object): unknown {
  return Reflect.get(Object.getPrototypeOf(this), 'onread', this)
}

/**
 * The first thing that lib/internal/child_process.js does to the handle it is going to send away is to give it a listener
 * that does nothing. Listeners that go on serving the socket ask the handle for its owner; nobody else gets the handle.
 */
function setGuardedOnread(this: GuardedHandle, listener: unknown): void {
  const { [KEY]: socket } = this
  if (isGuarded(this) && !socket.destroyed && !servesOwner(listener)) {
    const { server } = socket
    if (server) server._connections += 1 // it has counted the connection off before
    throw busy('another process')
  }
  Reflect.set(Object.getPrototypeOf(this), 'onread', listener, this)
}

/** An own property that can be taken away again. */
export function define(target: object, name: PropertyKey, value: unknown): void {
  Object.defineProperty(target, name, { configurable: true, writable: true, value })
}
