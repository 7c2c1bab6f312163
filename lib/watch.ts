/** Hears that a stream closes or fails while transfers are on their way to it: one listener, however many they are. */
import { EventEmitter } from 'node:events'

/** Who wants to know. */
export interface Watcher {
  /** The stream is closed, or has emitted 'error'. */
  closed(error: unknown): void
}

// Not weak: every transfer ends, and takes its watcher away.
const watches = new Map<object, Watcher[]>()

/**
 * Tells `watcher` when the destination closes or emits 'error': that rejects the transfer, and is not uncaught for want
 * of another listener. A response that waits for its turn on a connection is not told when that closes, so the
 * connection is watched, too.
 */
export function watch(destination: object, connection: EventEmitter | undefined, watcher: Watcher): void {
  if (destination instanceof EventEmitter) listen(destination, watcher, true)
  if (connection !== undefined) listen(connection, watcher, false)
}

/** Stops watching; without a watcher left, neither has a listener of ours. */
export function unwatch(destination: object, connection: EventEmitter | undefined, watcher: Watcher): void {
  if (destination instanceof EventEmitter) deafen(destination, watcher)
  if (connection !== undefined) deafen(connection, watcher)
}

function listen(stream: EventEmitter, watcher: Watcher, errors: boolean): void {
  const watchers = watches.get(stream)
  if (watchers !== undefined) return void watchers.push(watcher)
  watches.set(stream, [watcher])
  stream.on('close', onClose)
  if (errors) stream.on('error', onError)
}

function deafen(stream: EventEmitter, watcher: Watcher): void {
  const watchers = watches.get(stream)
  const place = watchers?.indexOf(watcher) ?? -1
  if (watchers === undefined || place === -1) return
  watchers.splice(place, 1)
  if (watchers.length > 0) return
  watches.delete(stream)
  stream.off('close', onClose).off('error', onError)
}

/** Emitters call their listeners on themselves: one function does for all of them. */
function onError(this: EventEmitter, error: unknown): void {
  for (const watcher of watches.get(this)?.slice() ?? []) watcher.closed(error)
}

function onClose(this: EventEmitter): void {
  onError.call(this, undefined)
}
