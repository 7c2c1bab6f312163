/**
 * Protects functions that replace the hooks of a socket while markers wait in its queue: they receive the bytes of the
 * segment, not the marker.
 *
 * Writable takes chunks out of its queue on two occasions: in the callback of the previous chunk, and at the end of a cork.
 * On both, the current methods are compared with the hooks before Writable calls them. They may have been changed by an
 * assignment, by Object.defineProperty() or by delete. If a marker waits, a function is placed above the replacement for
 * one call. In all other cases the comparison is the only cost.
 */
import { badDestination } from '../errors/sendfile-error.ts'
import { KEY, segmentOf, type WriteCallback } from '../node/marker.ts'
import { type Entries, inTurn } from './writev.ts'
import { deliver, SocketRuns } from './delivery.ts'
import { type HookedSocket, type WritableState } from './segment-socket.ts'
import { isOurs } from '../node/unpatched.ts'

/** Returns what is passed on in place of a callback of the Writable: it checks the hooks before the next chunk is taken. */
export function checked(socket: HookedSocket, callback: WriteCallback): WriteCallback {
  const hook = socket[KEY]
  if (hook.watched !== undefined) unwatch(socket, hook.watched)
  // A Writable uses one callback for all of its chunks.
  if (hook.callback === callback && hook.checked !== undefined) return hook.checked
  hook.callback = callback
  hook.checked = (error) => {
    checkHooks(socket)
    callback(error)
  }
  return hook.checked
}

/**
 * A chunk that is being written when the socket gets its hooks does not call back through them. Writable then reads
 * `_writableState` first, and so does `uncork`. The accessor is removed with the first chunk that passes through a hook.
 */
export function watchFirstChunk(socket: HookedSocket): void {
  const { _writableState: state } = socket
  if (state.writing === false) return
  socket[KEY].watched = state
  defineState(socket, WATCHED_STATE)
}

const WATCHED_STATE: PropertyDescriptor & ThisType<HookedSocket> = {
  get() {
    checkHooks(this)
    return this[KEY].watched
  },
  set(state: WritableState) {
    unwatch(this, state)
  },
}

function unwatch(socket: HookedSocket, state: WritableState): void {
  socket[KEY].watched = undefined
  defineState(socket, { writable: true, value: state })
}

function defineState(socket: HookedSocket, property: PropertyDescriptor): void {
  Object.defineProperty(socket, '_writableState', { configurable: true, enumerable: true, ...property })
}

/* ---------------------------------------------------------------- the shield */

const shields = new WeakSet<Function>()

/** Called before Writable takes a chunk out of its queue: a function that has replaced a hook receives no marker. */
export function checkHooks(socket: HookedSocket): void {
  const { _write, _writev } = socket
  // If there is no `_writev`, Writable calls `_write` for every chunk.
  if (isOurs(_write) && (typeof _writev !== 'function' || isOurs(_writev))) return
  const { buffered = [] } = socket[KEY].watched ?? socket._writableState
  if (!buffered.some((entry) => entry !== null && segmentOf(entry.chunk) !== undefined)) return
  shield(socket, '_write', shieldedWrite)
  shield(socket, '_writev', shieldedWritev)
}

type Shielded = (socket: HookedSocket, replacement: Function, args: readonly unknown[]) => void

/** Places a function above the current method, for one call. */
function shield(socket: HookedSocket, name: '_write' | '_writev', action: Shielded): void {
  const replacement: unknown = socket[name]
  if (typeof replacement !== 'function' || isOurs(replacement) || shields.has(replacement)) return
  const own = Object.getOwnPropertyDescriptor(socket, name)
  const above = (...args: readonly unknown[]): void => {
    if (socket[name] === above) restore(socket, name, own)
    action(socket, replacement, args)
  }
  shields.add(above)
  const value = { configurable: true, writable: true, value: above }
  const isAbove = Reflect.defineProperty(socket, name, value) || Reflect.set(socket, name, above)
  // An error is better than a body without the bytes of the segment.
  if (!isAbove)
    socket.destroy(badDestination(`${name} of the socket was replaced for good while a file waited for its turn`))
}

function restore(socket: HookedSocket, name: string, own: PropertyDescriptor | undefined): void {
  if (own === undefined) Reflect.deleteProperty(socket, name)
  else if (!Reflect.defineProperty(socket, name, own)) Reflect.set(socket, name, own.value)
}

function shieldedWrite(socket: HookedSocket, replacement: Function, args: readonly unknown[]): void {
  const [chunk, encoding, callback] = args as [unknown, BufferEncoding, WriteCallback]
  const segment = segmentOf(chunk)
  const next = checked(socket, callback)
  if (segment === undefined) Reflect.apply(replacement, socket, [chunk, encoding, next])
  else deliver(socket, segment, next)
}

function shieldedWritev(socket: HookedSocket, replacement: Function, args: readonly unknown[]): void {
  const [entries, callback] = args as [Entries, WriteCallback]
  const next = checked(socket, callback)
  if (entries.some(({ chunk }) => segmentOf(chunk) !== undefined))
    inTurn(entries, new SocketRuns(socket, replacement), next)
  else Reflect.apply(replacement, socket, [entries, next])
}
