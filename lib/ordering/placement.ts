/** A marker until its turn: writes, guards and watches it, and detects if its turn will never come. */
import type { EventEmitter } from 'node:events'
import http from 'node:http'
import type net from 'node:net'

import { connectionOf, prepare, type Route } from '../destination/stream.ts'
import { isConsequence } from '../errors/figures.ts'
import { marker } from '../node/marker.ts'
import { guardSocket, unguardSocket } from '../node/handle.ts'
import { hasBody } from '../node/outgoing-message.ts'
import type { FileSegment } from './segment.ts'
import { type StallWatch, watchStall } from '../wait/stall.ts'
import { DROPPED, STALLED } from '../wait/stop.ts'
import { unwatch, watch, type Watcher } from '../wait/closed.ts'

/** A route that uses markers. */
export type MarkerRoute = Exclude<Route, { by: 'copy' }>

/** Writes a chunk to the stream; `written` is the callback of `write`, if it is used. */
type Write = (chunk: Buffer, written: (error?: Error | null) => void) => void

export class Placement implements Watcher {
  readonly #route: MarkerRoute
  readonly #segment: FileSegment
  readonly #stallTimeout: number
  #watched: EventEmitter[] = NONE
  #guarded: net.Socket | undefined
  #stallWatch: StallWatch | undefined

  /** `stallTimeout` in milliseconds: how long the destination may make no progress before the turn; 0 for no limit. */
  constructor(route: MarkerRoute, segment: FileSegment, stallTimeout: number) {
    this.#route = route
    this.#segment = segment
    this.#stallTimeout = stallTimeout
  }

  /** Writes the marker. An exception of `write` ends the segment and is rethrown. */
  put(write: Write): void {
    prepare(this.#route)
    const segment = this.#segment
    try {
      write(marker(segment), (error) => this.#written(error))
    } catch (error) {
      segment.cancel({ kind: 'rejected', error })
      throw error
    }
    if (!segment.isWaiting) return
    if (this.#route.by === 'socket') return this.#wait()
    if (!hasBody(this.#route.message)) return segment.cancel(DROPPED)
    // http corks for the rest of this tick; a segment that still waits afterwards waits for the peer.
    process.nextTick(Placement.#corked, this)
  }

  static #corked(placement: Placement): void {
    placement.#wait()
  }

  /** The turn has come, or never will. */
  release(): void {
    for (const emitter of this.#watched) unwatch(emitter, this)
    this.#watched = NONE
    this.#stallWatch?.stop()
    if (this.#guarded !== undefined) unguardSocket(this.#guarded)
    this.#guarded = undefined
  }

  /** Watches the destination for 'close', after the pipe has been removed. */
  watchDestination(): void {
    if (this.#segment.isWaiting) this.#watch(this.#stream)
  }

  closed(error: unknown): void {
    this.#segment.cancel({ kind: 'destroyed', error })
  }

  /** The connection of a response that waits for another one has been ended: the turn of the response never comes. */
  finished(): void {
    this.closed(undefined)
  }

  get #stream(): net.Socket | http.OutgoingMessage {
    return this.#route.by === 'socket' ? this.#route.socket : this.#route.message
  }

  #wait(): void {
    const segment = this.#segment
    if (!segment.isWaiting) return
    const stream = this.#stream
    const connection = connectionOf(stream)
    if (stream.closed || connection?.closed === true) return this.closed(undefined)
    // A request that is destroyed in the queue of its agent emits its error later.
    if (stream.destroyed) this.#watch(stream)
    if (connection === undefined) return
    // A response that waits for its connection does not emit 'close' with it, and http does not report what it had queued.
    if (stream instanceof http.ServerResponse && stream.socket === null) this.#watch(connection, true)
    this.#stallWatch = watchStall(connection, this.#stallTimeout, () => segment.cancel(STALLED))
    this.#guarded = connection
    guardSocket(connection)
  }

  #watch(emitter: EventEmitter, finish = false): void {
    this.#watched = [...this.#watched, emitter]
    watch(emitter, this, { errors: false, finish })
  }

  /** Only relevant if the turn of the segment never came. */
  #written(error: Error | null | undefined): void {
    if (!this.#segment.isWaiting) return
    if (error) this.closed(this.#reason(error))
    else this.#segment.cancel(DROPPED)
  }

  /** The cause, if the error only reports that the stream was destroyed. */
  #reason(error: Error): unknown {
    if (!isConsequence(error)) return error
    const { errored }: { errored?: unknown } = connectionOf(this.#stream) ?? {}
    return isConsequence(errored) ? undefined : (errored ?? undefined)
  }
}

const NONE: EventEmitter[] = []
