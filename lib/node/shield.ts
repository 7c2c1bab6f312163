/**
 * Keeps markers in the queue of a socket from functions that somebody has put in the place of its hook while they waited.
 *
 * Writable takes chunks out of its queue on two occasions: the callback of the chunk before, and the end of a cork. On
 * both, what stands in the place of the hook is found before Writable calls it, however it came there: assigned, defined,
 * or by the removal of the hook. While a marker waits, it gets a function above it that lets it see the bytes of the
 * segment, and puts it back when it is called. All of this is for the rare case: usually there is nothing but a comparison.
 */
import { badDestination } from '../errors/sendfile-error.ts'
import { KEY, segmentOf, type WriteCallback } from '../ordering/marker.ts'
import { type Entries, inTurn } from '../ordering/writev.ts'
import { deliver, SocketRuns } from './delivery.ts'
import { type HookedSocket, type WritableState } from './socket-place.ts'
import { isOurs } from './unpatched.ts'

/** What is passed on instead of a callback of the Writable's: the hook is looked after before the next chunk is taken. */
export function checked(socket: HookedSocket, callback: WriteCallback): WriteCallback {
  const hook = socket[KEY]
  if (hook.watched !== undefined) unwatch(socket, hook.watched)
  // A Writable has one callback for all of its chunks.
  if (hook.callback === callback && hook.checked !== undefined) return hook.checked
  hook.callback = callback
  hook.checked = (error) => {
    standAgain(socket)
    callback(error)
  }
  return hook.checked
}

/**
 * A chunk that was being written when the socket was hooked calls Writable back without us. Writable asks for its state
 * then, and so does `uncork`; the first chunk that comes through the hook ends this.
 */
export function watchFirstChunk(socket: HookedSocket): void {
  const { _writableState: state } = socket
  if (state.writing === false) return
  socket[KEY].watched = state
  Object.defineProperty(socket, '_writableState', {
    configurable: true,
    enumerable: true,
    get: watchedState,
    set: setWatchedState,
  })
}

function watchedState(this: HookedSocket): unknown {
  standAgain(this)
  return this[KEY].watched
}

function setWatchedState(this: HookedSocket, state: WritableState): void {
  unwatch(this, state)
}

function unwatch(socket: HookedSocket, state: WritableState): void {
  socket[KEY].watched = undefined
  Object.defineProperty(socket, '_writableState', {
    configurable: true,
    enumerable: true,
    writable: true,
    value: state,
  })
}

/* ---------------------------------------------------------------- the shield */

const shields = new WeakSet<Function>()

/** Before Writable takes a chunk out of its queue: whatever stands in the place of the hook gets no marker. */
export function standAgain(socket: HookedSocket): void {
  const { _write, _writev } = socket
  // Without a function for several chunks, Writable has none to call.
  if (isOurs(_write) && (typeof _writev !== 'function' || isOurs(_writev))) return
  const { buffered = [] } = socket[KEY].watched ?? socket._writableState
  if (!buffered.some((entry) => entry !== null && segmentOf(entry.chunk) !== undefined)) return
  shield(socket, '_write', shieldedWrite)
  shield(socket, '_writev', shieldedWritev)
}

type Shielded = (socket: HookedSocket, found: Function, args: readonly unknown[]) => void

/** Puts a function above the one that is found, until it is called. */
function shield(socket: HookedSocket, name: '_write' | '_writev', action: Shielded): void {
  const found: unknown = socket[name]
  if (typeof found !== 'function' || isOurs(found) || shields.has(found)) return
  const own = Object.getOwnPropertyDescriptor(socket, name)
  const above = (...args: readonly unknown[]): void => {
    if (socket[name] === above) putBack(socket, name, own)
    action(socket, found, args)
  }
  shields.add(above)
  const value = { configurable: true, writable: true, value: above }
  const isAbove = Reflect.defineProperty(socket, name, value) || Reflect.set(socket, name, above)
  // Rather no body than one that lacks the bytes of the segment.
  if (!isAbove)
    socket.destroy(badDestination(`${name} of the socket was replaced for good while a file waited for its turn`))
}

function putBack(socket: HookedSocket, name: string, own: PropertyDescriptor | undefined): void {
  if (own === undefined) Reflect.deleteProperty(socket, name)
  else if (!Reflect.defineProperty(socket, name, own)) Reflect.set(socket, name, own.value)
}

function shieldedWrite(socket: HookedSocket, found: Function, args: readonly unknown[]): void {
  const [chunk, encoding, callback] = args as [unknown, BufferEncoding, WriteCallback]
  const segment = segmentOf(chunk)
  const next = checked(socket, callback)
  if (segment === undefined) Reflect.apply(found, socket, [chunk, encoding, next])
  else deliver(socket, segment, next)
}

function shieldedWritev(socket: HookedSocket, found: Function, args: readonly unknown[]): void {
  const [entries, callback] = args as [Entries, WriteCallback]
  const next = checked(socket, callback)
  if (entries.some(({ chunk }) => segmentOf(chunk) !== undefined)) inTurn(entries, new SocketRuns(socket, found), next)
  else Reflect.apply(found, socket, [entries, next])
}
