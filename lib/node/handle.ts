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
  /** Number of bytes passed to libuv. */
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

/** The descriptor of the socket, valid in this tick; -1 if there is none. */
export function handleFd(socket: net.Socket): number {
  return (socket as PrivateSocket)._handle?.fd ?? -1
}

/**
 * Number of bytes in the queue of a stream; for a socket, plus the bytes in the queue of libuv, which decrease during a
 * large write.
 */
export function outstanding(stream: object): number {
  const { writableLength, socket } = stream as { writableLength?: unknown; socket?: unknown }
  const length = typeof writableLength === 'number' ? writableLength : 0
  const connection = stream instanceof http.OutgoingMessage ? socket : stream
  return connection instanceof net.Socket ? length + queued(connection) : length
}

/** Number of bytes that libuv has not written to a socket yet. It decreases during a large write. */
export function queued(socket: net.Socket): number {
  return (socket as PrivateSocket)._handle?.writeQueueSize ?? 0
}

/** Describes the write of libuv or the transfer in progress: a value that changes as bytes move; `undefined` while idle. */
export function underway(socket: net.Socket): string | undefined {
  const { _handle: handle, _bytesDispatched: dispatched, [KEY]: hook } = socket as PrivateSocket
  const queued = handle?.writeQueueSize ?? 0
  return queued === 0 && hook?.running === undefined ? undefined : `${queued} ${dispatched} ${hook?.moves ?? 0}`
}

/** Makes a terminal of this package non-blocking; Node makes terminals blocking (lib/tty.js, WriteStream). */
export function doNotBlock(terminal: net.Socket): void {
  ;(terminal as PrivateSocket)._handle?.setBlocking?.(false)
}

/** Whether it is a TLS socket: Node sets `encrypted` on every kind of them. */
export function isEncrypted(socket: net.Socket): boolean {
  return (socket as PrivateSocket).encrypted === true
}

/**
 * Whether a transfer can prevent other code from taking over the handle of a socket. Only then may bytes bypass the stream.
 * Also `true` without a handle: before the socket connects and after it is closed.
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
 * Prevents other code from taking over a socket until {@link unguardSocket}. Code that takes over a socket writes to its
 * handle and bypasses `_write`, so the bytes of the transfer would be interleaved or lost. HTTP/2 finds no handle that it can
 * use and writes through the stream, after the transfer. child.send() throws ERR_SENDFILE_BUSY. TLS waits while
 * `writableLength` is above 0, so it may use the handle; unknown code may not.
 */
export function guardSocket(socket: net.Socket): void {
  const target = socket as PrivateSocket
  const { _handle: handle, [KEY]: hook } = target
  if (hook === undefined || !handle) return
  if (hook.guard !== undefined) return void (hook.guard.holders += 1)
  hook.guard = { handle, holders: 1 }
  // The accessors are never removed: adding them for each transfer costs V8 more than everything else done to the socket.
  if (Object.hasOwn(handle, KEY)) return
  define(handle, KEY, socket)
  Object.defineProperty(handle, 'isStreamBase', { configurable: true, get: guardedIsStreamBase })
  Object.defineProperty(handle, 'onread', { configurable: true, get: guardedOnread, set: setGuardedOnread })
}

interface GuardedHandle {
  readonly [KEY]: PrivateSocket
}

/** Whether a transfer is using the handle. */
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
 * A handle that is not a StreamBase is wrapped by HTTP/2 in a stream that calls `socket.write` (lib/internal/http2/core.js),
 * and not consumed by http (lib/_http_server.js). TLS asserts that it is one.
 */
function guardedIsStreamBase(this: GuardedHandle): boolean {
  return !isGuarded(this) || readingModule() === tlsModule
}

/** The module of Node that wraps handles for TLS; '' if it could not be determined, `undefined` before the first transfer. */
let tlsModule: string | undefined

/** Makes TLS read the property of an object that is not a handle, and determines the module that did so. */
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
    // the assertion failed as intended, or this version of Node is unknown
  }
  return module
}

/** The module of Node that reads a property, from the innermost stack frames; '' if there is none. */
function readingModule(): string {
  const { stackTraceLimit, prepareStackTrace } = Error
  // Reflect.set does not throw if Error is frozen.
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
 * Before it sends a handle away, lib/internal/child_process.js sets a listener that does nothing. Listeners that continue to
 * serve the socket use the owner of the handle, and are accepted.
 */
function setGuardedOnread(this: GuardedHandle, listener: unknown): void {
  const { [KEY]: socket } = this
  if (isGuarded(this) && !socket.destroyed && !servesOwner(listener)) {
    const { server } = socket
    if (server) server._connections += 1 // child.send() has already decremented it
    throw busy('another process')
  }
  Reflect.set(Object.getPrototypeOf(this), 'onread', listener, this)
}

/** Defines an own property that is not enumerable and can be deleted. */
export function define(target: object, name: PropertyKey, value: unknown): void {
  Object.defineProperty(target, name, { configurable: true, writable: true, value })
}
