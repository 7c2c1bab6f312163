/** The hooks of a socket, which recognize markers. */
import type net from 'node:net'

import { inTurn, type Entries } from './writev.ts'
import { type Hook, KEY, PROTOCOL, segmentOf, type WriteCallback } from '../node/marker.ts'
import { deliver, SocketRuns } from './delivery.ts'
import { define, type PrivateSocket } from '../node/handle.ts'
import { checked, checkHooks, watchFirstChunk } from './shield.ts'
import { type HookedSocket, below, type ObstacleTo, type OwnHook } from './segment-socket.ts'
import { declareOurs, hasOwnWrites as areOwnWrites, isOurs } from '../node/unpatched.ts'

/** Whether a socket has a hook to which this copy of the package can write markers. */
export function isHooked(socket: net.Socket): boolean {
  return (socket as PrivateSocket)[KEY]?.protocol === PROTOCOL
}

/**
 * Whether `_write` and `_writev` are Node's own, or hooks with the same protocol above Node's own. A function around a hook
 * would receive markers.
 */
export function hasOwnWrites(socket: net.Socket): boolean {
  const target = socket as PrivateSocket
  const hook = target[KEY] as OwnHook | undefined
  if (hook === undefined) return areOwnWrites(socket, target)
  if (hook.protocol !== PROTOCOL) return false
  const { _write, _writev } = target
  // The usual case, without a lookup by name: both are the hooks of this copy over the methods of the prototype.
  if (_write === hookedWrite && _writev === hookedWritev && hook.inner === undefined) {
    return areOwnWrites(socket, Object.getPrototypeOf(target) as PrivateSocket)
  }
  return areOwnWrites(socket, {
    _write: isOurs(_write) ? below(target as HookedSocket, '_write') : _write,
    _writev: isOurs(_writev) ? below(target as HookedSocket, '_writev') : _writev,
  })
}

/** Adds the hooks to a socket. If it already has hooks, those that were deleted are added again. */
export function hookSocket(socket: net.Socket, obstacleTo: ObstacleTo): void {
  const target = socket as HookedSocket
  const known: OwnHook | undefined = target[KEY]
  if (known !== undefined) return known.protocol === PROTOCOL ? hookAgain(target) : undefined
  const hook: OwnHook = {
    protocol: PROTOCOL,
    dispatched: 0,
    moves: 0,
    running: undefined,
    guard: undefined,
    inner: undefined,
    obstacleTo,
    callback: undefined,
    checked: undefined,
    watched: undefined,
  }
  // All sockets share these functions, because a closure per socket would disable V8's fast properties.
  define(target, KEY, hook)
  for (const name of HOOKED) {
    if (typeof target[name] !== 'function') continue
    if (Object.hasOwn(target, name)) hook.inner = { ...hook.inner, [name]: target[name] }
    define(target, name, HOOKS[name])
  }
  if ('_bytesDispatched' in target) {
    Object.defineProperty(target, '_bytesDispatched', { configurable: true, get: hookedBytesDispatched })
  }
  watchFirstChunk(target)
}

/** A hook that was deleted from the socket is added again; below it is the method of the prototype. */
function hookAgain(target: HookedSocket): void {
  for (const name of HOOKED) {
    if (target[name] === HOOKS[name] || Object.hasOwn(target, name) || typeof target[name] !== 'function') continue
    target[KEY].inner = { ...target[KEY].inner, [name]: undefined }
    define(target, name, HOOKS[name])
  }
}

function hookedWrite(this: HookedSocket, chunk: unknown, encoding: BufferEncoding, callback: WriteCallback): void {
  const segment = segmentOf(chunk)
  const next = checked(this, callback)
  if (segment === undefined) below(this, '_write').call(this, chunk, encoding, next)
  else deliver(this, segment, next)
}

function hookedWritev(this: HookedSocket, entries: Entries, callback: WriteCallback): void {
  const next = checked(this, callback)
  const isMarked = entries.some(({ chunk }) => segmentOf(chunk) !== undefined)
  if (isMarked) inTurn(entries, new SocketRuns(this, this._writev), next)
  else below(this, '_writev')?.call(this, entries, next)
}

/** The end of a cork. */
function hookedUncork(this: HookedSocket): void {
  checkHooks(this)
  below(this, 'uncork').call(this)
}

declareOurs(hookedWrite)
declareOurs(hookedWritev)

function hookedDestroy(this: HookedSocket, error: Error | null, callback: WriteCallback): void {
  const { running } = this[KEY]
  // `resetAndDestroy()` sets the flag, `_destroy` clears it.
  running?.destroyed(error, this.resetAndClosing === true)
  const _destroy = below(this, '_destroy')
  if (running === undefined || !isServed(this) || !isReset(error)) return _destroy.call(this, error, callback)
  afterRunning(this[KEY], performance.now(), () => _destroy.call(this, error, callback))
}

/** Whether http sends a response on the socket, and therefore handles 'error' at any time. Other code may stop listening. */
function isServed({ server, _httpMessage: message }: HookedSocket): boolean {
  return server !== undefined && server !== null && message !== undefined && message !== null
}

/** The peer has reset the connection. */
function isReset(error: object | null): boolean {
  return error !== null && 'syscall' in error && error.syscall === 'read'
}

/** The maximum time to wait for the thread of the engine, in ms. */
const ANSWER_MS = 50

/**
 * Delays `action` while a transfer is running. A peer that has received everything may reset the connection before the thread
 * of the engine has reported the end, which must be reported before 'close'.
 */
function afterRunning(hook: Hook, since: number, action: () => void): void {
  if (hook.running === undefined || performance.now() - since > ANSWER_MS) action()
  else setImmediate(afterRunning, hook, since, action)
}

/** `bytesWritten` of the prototype adds the bytes that are still queued. */
function hookedBytesDispatched(this: HookedSocket): number {
  return (Reflect.get(Object.getPrototypeOf(this), '_bytesDispatched', this) as number) + this[KEY].dispatched
}

const HOOKS = { _write: hookedWrite, _writev: hookedWritev, _destroy: hookedDestroy, uncork: hookedUncork } as const
const HOOKED = ['_write', '_writev', '_destroy', 'uncork'] as const
