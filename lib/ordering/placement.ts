/** A marker on its way to its turn: written, guarded, watched, and missed if its turn will never come. */
import type { EventEmitter } from 'node:events'
import http from 'node:http'
import type net from 'node:net'

import { connectionOf, prepare, type Route } from '../destination/stream.ts'
import { isConsequence } from '../errors/sendfile-error.ts'
import { DROPPED, STALLED } from '../executor/end.ts'
import { marker } from './marker.ts'
import { guardSocket, unguardSocket } from '../node/handle.ts'
import { hasBody } from '../node/message-hook.ts'
import type { FileSegment } from './segment.ts'
import { type StallWatch, watchStall } from '../wait/stall.ts'
import { unwatch, watch, type Watcher } from '../wait/closed.ts'

/** A way that a marker can take. */
export type MarkerRoute = Exclude<Route, { by: 'copy' }>

/** Puts a chunk into the stream; `written` is for the callback of `write`, where there is one. */
type Write = (chunk: Buffer, written: (error?: Error | null) => void) => void

export class Placement implements Watcher {
  readonly #route: MarkerRoute
  readonly #segment: FileSegment
  readonly #stallTimeout: number
  #watched: EventEmitter[] = NONE
  #guarded: net.Socket | undefined
  #stallWatch: StallWatch | undefined

  /** `stallTimeout` in milliseconds: how long the destination may stand still before the turn; 0 for no limit. */
  constructor(route: MarkerRoute, segment: FileSegment, stallTimeout: number) {
    this.#route = route
    this.#segment = segment
    this.#stallTimeout = stallTimeout
  }

  /** Writes the marker. What `write` throws ends the segment, and is thrown. */
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
    // http corks for the rest of this tick; what is still waiting then, waits for the peer.
    process.nextTick(Placement.#corked, this)
  }

  static #corked(placement: Placement): void {
    placement.#wait()
  }

  /** Its turn has come, or never will. */
  release(): void {
    for (const emitter of this.#watched) unwatch(emitter, this)
    this.#watched = NONE
    this.#stallWatch?.stop()
    if (this.#guarded !== undefined) unguardSocket(this.#guarded)
    this.#guarded = undefined
  }

  /** Nobody else tells any more when the destination closes. */
  watchDestination(): void {
    if (this.#segment.isWaiting) this.#watch(this.#stream)
  }

  closed(error: unknown): void {
    this.#segment.cancel({ kind: 'destroyed', error })
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
    // A request that is destroyed in the queue of its agent says why in its turn.
    if (stream.destroyed) this.#watch(stream)
    if (connection === undefined) return
    // A response that waits for its connection is not told when that closes, and http tells nobody of what it had queued.
    if (stream instanceof http.ServerResponse && stream.socket === null) this.#watch(connection)
    this.#stallWatch = watchStall(connection, this.#stallTimeout, () => segment.cancel(STALLED))
    this.#guarded = connection
    guardSocket(connection)
  }

  #watch(emitter: EventEmitter): void {
    this.#watched = [...this.#watched, emitter]
    watch(emitter, this, { errors: false })
  }

  /** Only news if the segment's turn never came. */
  #written(error: Error | null | undefined): void {
    if (!this.#segment.isWaiting) return
    if (error) this.closed(this.#reason(error))
    else this.#segment.cancel(DROPPED)
  }

  /** That the stream was destroyed is what becomes of its chunks, not why. */
  #reason(error: Error): unknown {
    if (!isConsequence(error)) return error
    const { errored }: { errored?: unknown } = connectionOf(this.#stream) ?? {}
    return isConsequence(errored) ? undefined : (errored ?? undefined)
  }
}

const NONE: EventEmitter[] = []
