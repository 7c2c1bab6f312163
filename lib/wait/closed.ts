/** Hears that a stream closes, fails or goes on while transfers are on their way to it: one listener, however many they are. */
import { EventEmitter } from 'node:events'

/** Who wants to know. */
export interface Watcher {
  /** The stream is closed, or has emitted 'error'. */
  closed(error: unknown): void
}

/** What can be listened to. */
type Source = EventEmitter | { on(event: string, listener: (...args: never[]) => void): unknown }

type Listener = (this: object, ...args: unknown[]) => void

// Not weak: every transfer ends, and takes its watcher away.
const watches = new Map<object, Map<Watcher, { readonly errors: boolean }>>()

/**
 * Tells `watcher` when the stream closes. With `errors`, also when it emits 'error', which is then not uncaught for want
 * of another listener.
 */
export function watch(stream: Source, watcher: Watcher, wants: { readonly errors: boolean }): void {
  const watchers = watches.get(stream)
  if (watchers === undefined) {
    watches.set(stream, new Map([[watcher, wants]]))
    listen(stream, 'close', onClose)
    if (wants.errors) listen(stream, 'error', onError)
    return
  }
  if (wants.errors && !hearErrors(watchers)) listen(stream, 'error', onError)
  watchers.set(watcher, wants)
}

/** Stops watching; without a watcher left, the stream has no listener of ours. */
export function unwatch(stream: Source, watcher: Watcher): void {
  const watchers = watches.get(stream)
  if (watchers === undefined) return
  const heard = hearErrors(watchers)
  if (!watchers.delete(watcher)) return
  if (heard && !hearErrors(watchers)) ignore(stream, 'error', onError)
  if (watchers.size > 0) return
  watches.delete(stream)
  ignore(stream, 'close', onClose)
}

function hearErrors(watchers: ReadonlyMap<Watcher, { readonly errors: boolean }>): boolean {
  for (const { errors } of watchers.values()) if (errors) return true
  return false
}

/** Emitters call their listeners on themselves: one function does for all of them. */
function onError(this: object, error: unknown): void {
  for (const [watcher, { errors }] of copyOf(this)) if (errors) watcher.closed(error)
}

function onClose(this: object): void {
  for (const [watcher] of copyOf(this)) watcher.closed(undefined)
}

function copyOf(stream: object): [Watcher, { readonly errors: boolean }][] {
  return [...(watches.get(stream) ?? [])]
}

/* ---------------------------------------------------------------- listeners of any stream */

/** The listeners on streams that are no EventEmitters: these may have no way to take one off again, so each gets one. */
const lasting = new WeakMap<object, Map<string, Set<Listener>>>()

/** Adds a listener; called on the stream. `on` is how, if not by the stream's own method of today. */
export function listen(stream: Source, event: string, listener: Listener, on: Function = stream.on): void {
  if (stream instanceof EventEmitter) return void Reflect.apply(on, stream, [event, listener])
  const events = lasting.get(stream) ?? new Map<string, Set<Listener>>()
  lasting.set(stream, events)
  const listeners = events.get(event)
  if (listeners !== undefined) return void listeners.add(listener)
  const added = new Set([listener])
  events.set(event, added)
  const hear = (...args: unknown[]): void => {
    for (const each of added) Reflect.apply(each, stream, args)
  }
  Reflect.apply(on, stream, [event, hear])
}

/** Takes a listener off again. */
export function ignore(stream: Source, event: string, listener: Listener): void {
  if (stream instanceof EventEmitter) stream.off(event, listener)
  else lasting.get(stream)?.get(event)?.delete(listener)
}
