/** Hears that a stream closes or fails while transfers are on their way to it: one listener, however many they are. */
import type { EventEmitter } from 'node:events'

/** Who wants to know. */
export interface Watcher {
  /** The stream is closed, or has emitted 'error'. */
  closed(error: unknown): void
}

interface Watch {
  readonly watchers: Set<Watcher>
  stop(): void
}

const watches = new WeakMap<EventEmitter, Watch>()

/**
 * Tells `watcher` when the stream closes. With `errors`, 'error' events are heard as well: they reject the transfer
 * and are not uncaught for want of another listener. Returns how to stop watching.
 */
export function watch(stream: EventEmitter, watcher: Watcher, errors: boolean): () => void {
  const { watchers, stop } = watches.get(stream) ?? listen(stream, errors)
  watchers.add(watcher)
  return () => {
    watchers.delete(watcher)
    if (watchers.size === 0) stop()
  }
}

function listen(stream: EventEmitter, errors: boolean): Watch {
  const watchers = new Set<Watcher>()
  const onError = (error: unknown): void => {
    for (const watcher of watchers) watcher.closed(error)
  }
  const onClose = (): void => onError(undefined)
  stream.on('close', onClose)
  if (errors) stream.on('error', onError)
  const watch = {
    watchers,
    stop() {
      watches.delete(stream)
      stream.off('close', onClose).off('error', onError)
    },
  }
  watches.set(stream, watch)
  return watch
}
