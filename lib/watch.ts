/** Hears that a stream closes or fails while transfers are on their way to it: one listener, however many they are. */
import type { EventEmitter } from 'node:events'

/** Who wants to know. */
export interface Watcher {
  /** The stream is closed, or has emitted 'error'. */
  closed(error: unknown): void
}

const watches = new WeakMap<EventEmitter, Watch>()

/**
 * Tells `watcher` when the stream closes. With `errors`, 'error' events are heard as well: they reject the transfer
 * and are not uncaught for want of another listener.
 */
export function watch(stream: EventEmitter, watcher: Watcher, errors: boolean): void {
  let found = watches.get(stream)
  if (found === undefined) {
    found = new Watch(stream, errors)
    watches.set(stream, found)
  }
  found.watchers.push(watcher)
}

/** Stops watching; without a watcher left, the stream has no listener of ours. */
export function unwatch(stream: EventEmitter, watcher: Watcher): void {
  const found = watches.get(stream)
  const place = found?.watchers.indexOf(watcher) ?? -1
  if (found === undefined || place === -1) return
  found.watchers.splice(place, 1)
  if (found.watchers.length > 0) return
  watches.delete(stream)
  found.stop()
}

class Watch {
  readonly watchers: Watcher[] = []
  readonly #stream: EventEmitter
  readonly #onError = (error?: unknown): void => {
    for (const watcher of this.watchers.slice()) watcher.closed(error)
  }
  readonly #onClose = (): void => this.#onError()

  constructor(stream: EventEmitter, errors: boolean) {
    this.#stream = stream
    stream.on('close', this.#onClose)
    if (errors) stream.on('error', this.#onError)
  }

  stop(): void {
    this.#stream.off('close', this.#onClose).off('error', this.#onError)
  }
}
