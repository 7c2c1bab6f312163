/** Listens to 'close', 'error' and other events of a stream: one listener per event, for any number of transfers. */
import { EventEmitter } from 'node:events'

/** Receives the events of a stream. */
export interface Watcher {
  /** The stream is closed, or has emitted 'error'. */
  closed(error: unknown): void
  /** The stream has been ended, and has taken everything that was written to it. */
  finished?(): void
}

/** The events that a watcher receives besides 'close'. */
interface Wants {
  readonly errors: boolean
  readonly finish?: boolean
}

/** A stream that can be listened to. */
type Source = EventEmitter | { on(event: string, listener: (...args: never[]) => void): unknown }

type Listener = (this: object, ...args: unknown[]) => void

interface Watch {
  readonly watcher: Watcher
  errors: boolean
  readonly finish: boolean
}

// A Map is sufficient because every transfer removes its watcher. Nearly all arrays have one entry.
const watches = new Map<object, Watch[]>()

/**
 * Calls `watcher` when the stream closes. With `errors`, also when it emits 'error', which is then not uncaught if the
 * stream has no other listener. With `finish`, also when it emits 'finish'.
 */
export function watch(stream: Source, watcher: Watcher, { errors, finish = false }: Wants): void {
  const present = watches.get(stream)
  if (present === undefined) {
    watches.set(stream, [{ watcher, errors, finish }])
    listen(stream, 'close', onClose)
    if (errors) listen(stream, 'error', onError)
    if (finish) listen(stream, 'finish', onFinish)
    return
  }
  if (errors && !present.some(wantsErrors)) listen(stream, 'error', onError)
  if (finish && !present.some(wantsFinish)) listen(stream, 'finish', onFinish)
  const own = present.find((watch) => watch.watcher === watcher)
  if (own === undefined) present.push({ watcher, errors, finish })
  else own.errors = errors
}

/** Stops watching. After the last watcher, the listeners are removed from the stream. */
export function unwatch(stream: Source, watcher: Watcher): void {
  const present = watches.get(stream)
  const index = present?.findIndex((watch) => watch.watcher === watcher) ?? -1
  if (present === undefined || index === -1) return
  const [{ errors, finish } = { errors: false, finish: false }] = present.splice(index, 1)
  if (errors && !present.some(wantsErrors)) ignore(stream, 'error', onError)
  if (finish && !present.some(wantsFinish)) ignore(stream, 'finish', onFinish)
  if (present.length > 0) return
  watches.delete(stream)
  ignore(stream, 'close', onClose)
}

function wantsErrors({ errors }: Watch): boolean {
  return errors
}

function wantsFinish({ finish }: Watch): boolean {
  return finish
}

/** An emitter is the `this` of its listeners, so one function serves all streams. */
function onError(this: object, error: unknown): void {
  for (const { watcher, errors } of copyOf(this)) if (errors) watcher.closed(error)
}

function onFinish(this: object): void {
  for (const { watcher, finish } of copyOf(this)) if (finish) watcher.finished?.()
}

function onClose(this: object): void {
  for (const { watcher } of copyOf(this)) watcher.closed(undefined)
}

function copyOf(stream: object): Watch[] {
  return [...(watches.get(stream) ?? [])]
}

/* ---------------------------------------------------------------- listeners of any stream */

/** Listeners of streams that are not EventEmitters. They may be unable to remove a listener, so each event gets one. */
const lasting = new WeakMap<object, Map<string, Set<Listener>>>()

/** Adds a listener, with the stream as `this`. `on` is the method to use instead of the stream's current one. */
export function listen(stream: Source, event: string, listener: Listener, on: Function = stream.on): void {
  if (stream instanceof EventEmitter) return void Reflect.apply(on, stream, [event, listener])
  const events = lasting.get(stream) ?? new Map<string, Set<Listener>>()
  lasting.set(stream, events)
  const listeners = events.get(event)
  if (listeners !== undefined) return void listeners.add(listener)
  const added = new Set([listener])
  events.set(event, added)
  const forward = (...args: unknown[]): void => {
    for (const each of added) Reflect.apply(each, stream, args)
  }
  Reflect.apply(on, stream, [event, forward])
}

/** Removes a listener. */
export function ignore(stream: Source, event: string, listener: Listener): void {
  if (stream instanceof EventEmitter) stream.off(event, listener)
  else lasting.get(stream)?.get(event)?.delete(listener)
}
