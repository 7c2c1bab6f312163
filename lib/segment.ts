/** A range of an open file on its way through a socket: waits for its turn, is moved, and tells how that ended. */
import { AsyncResource } from 'node:async_hooks'
import { constants } from 'node:os'

import type { EngineEvent } from './binding.ts'
import { copyRange, type Range, type RangeEnd, type Taker } from './copy.ts'
import { type Obstacle, shortageOf } from './errors/obstacle.ts'
import * as kernel from './kernel.ts'
import { type Place, PROTOCOL, type Running, type Segment, type WriteCallback, type WriteChunk } from './marker.ts'
import { END, EVENT, METHODS, ONLY, TARGET } from './native/codes.ts'
import type { NativeFile } from './native-file.ts'
import { add, type Bytes } from './option-values.ts'
import { DEFAULT_REQUEST, type Method, type Request } from './options.ts'
import { Stop } from './stop.ts'

/** What is heard of a segment. */
export interface SegmentOwner {
  /** The bytes are being moved from `offset` on. */
  started(offset: Bytes): void
  /** Bytes have moved: how many of the range so far, and by which method. */
  progress?(bytesSent: number, method: Method): void
  /** The same, whether or not the request wants to hear of it. */
  progressed?(bytesSent: number): void
  /** It is over, once: `event` where the kernel moved it, `obstacle` where JavaScript had to. Returns the error. */
  ended(end: RangeEnd, event?: EngineEvent, obstacle?: Obstacle): Error | undefined
}

/** A range that the kernel can read, of known length. */
export interface KernelRange extends Range {
  readonly source: NativeFile
  readonly count: Bytes
}

/** Writable adds and subtracts the lengths of chunks as doubles: they must stay exact. */
const MAX_LENGTH = 2 ** 52
const COPY_CHUNK = 256 * 1024
/**
 * The least time between two progress events, in ms. The idle timer hears of bytes one such time, a wait for the peer
 * and a turn of the event loop after the last: a short timeout needs a finer tick.
 */
const TICK_MS = 100

/** The figures of a range that was never begun. */
export const NOTHING_SENT: Omit<RangeEnd, 'end'> = { bytesSent: 0, errno: 0, syscalls: 0, wouldBlock: 0 }

const { ECONNABORTED, ECONNRESET, EHOSTUNREACH, ENETDOWN, ENETUNREACH, ENOTCONN, EPIPE, ETIMEDOUT } = constants.errno
export const CONNECTION_LOST: ReadonlySet<number> = new Set([
  ECONNABORTED,
  ECONNRESET,
  EHOSTUNREACH,
  ENETDOWN,
  ENETUNREACH,
  ENOTCONN,
  EPIPE,
  ETIMEDOUT,
])

/** Few objects: thousands of them may wait for peers that do not read. */
export class FileSegment implements Segment, Running, kernel.Listener {
  readonly protocol = PROTOCOL
  readonly length: number
  readonly #range: KernelRange
  readonly #methods: number
  readonly #request: Request
  /** An http message has announced the length: if it cannot be met, the connection ends. */
  readonly #framed: boolean
  readonly #owner: SegmentOwner
  #phase: 'waiting' | 'running' | 'over' = 'waiting'
  #cancelled = false
  #transferId: number | undefined
  #destroyedBy: { readonly error: Error | null } | undefined
  #place: Place | undefined
  #callback: WriteCallback | undefined
  #resource: AsyncResource | undefined
  /** Of the portable executor. */
  #stop: Stop | undefined

  /** `methods`: a value of `ONLY` or `PREFER`. `framed`: an http message has announced the bytes. */
  constructor(range: KernelRange, methods: number, framed: boolean, owner: SegmentOwner, request = DEFAULT_REQUEST) {
    const length = Number(range.count) + request.headers.length + request.trailers.length
    this.length = Math.min(length, MAX_LENGTH)
    this.#range = range
    this.#methods = methods
    this.#request = request
    this.#framed = framed
    this.#owner = owner
  }

  /** Whether its turn has not come yet. */
  get isWaiting(): boolean {
    return this.#phase === 'waiting'
  }

  /** Moves no further byte. What has not begun ends at once, as `end` says; what runs, when the engine has stopped. */
  cancel(end: number = END.aborted): void {
    if (this.#cancelled || this.#phase === 'over') return
    this.#cancelled = true
    this.#stop?.stop()
    if (this.#phase === 'waiting') {
      this.#phase = 'over'
      this.#owner.ended({ ...NOTHING_SENT, end })
    } else if (this.#transferId !== undefined) {
      kernel.abort(this.#transferId, false)
    }
  }

  destroyed(error: Error | null, reset: boolean): void {
    this.#destroyedBy = { error }
    // A RST must not be preceded by the FIN of our shutdown.
    if (this.#transferId !== undefined) kernel.abort(this.#transferId, !reset)
  }

  sendHead(place: Place, head: Buffer): number {
    // Only http's own bytes: if the transfer fails, nobody counts on them any more.
    if (!this.#framed || this.#phase === 'over') return 0
    const sent = kernel.sendHead(place.fd, head)
    place.hook.dispatched += sent
    return sent
  }

  deliver(place: Place, write: WriteChunk, callback: WriteCallback): void {
    if (this.#phase === 'over') return this.#skip(place, callback)
    this.#place = place
    this.#callback = callback
    const offset = this.#begin()
    place.hook.dispatched += this.length
    const started = kernel.start(this.#command(place, offset), this)
    if (typeof started === 'object' || started < 0) {
      const event = typeof started === 'object' ? started : notStarted(-started)
      const shortage = this.#knowsRest ? shortageOf(event.errno) : undefined
      // Never within `_write`: http may be in the middle of flushing what it has queued, and `end` would begin again.
      if (shortage === undefined) return process.nextTick(FileSegment.#over, this, event)
      place.hook.dispatched += this.#accepted(event) - this.length
      return this.#copy(write, shortage, offset, event)
    }
    this.#transferId = started
    this.#resource = new AsyncResource('SENDFILE64')
    place.hook.running = this
    place.guard()
  }

  progress(bytesSent: number, method: number): void {
    if (this.#place !== undefined) {
      this.#place.hook.moves += 1
      this.#place.refreshIdleTimer()
    }
    this.#owner.progressed?.(bytesSent)
    if (this.#request.onProgress === undefined) return
    this.#resource?.runInAsyncScope(() => this.#owner.progress?.(bytesSent, METHODS[method] ?? 'copy'))
  }

  completed(event: EngineEvent): void {
    if (this.#place !== undefined) {
      this.#place.hook.running = undefined
      this.#place.unguard()
    }
    this.#resource?.runInAsyncScope(FileSegment.#over, undefined, this, event)
  }

  materialise(place: Place, write: WriteChunk, obstacle: Obstacle, callback: WriteCallback): void {
    if (this.#phase === 'over') return this.#skip(place, callback)
    this.#place = place
    this.#callback = callback
    const offset = this.#begin()
    if (this.#mayCopy) this.#copy(write, obstacle, offset, NOTHING_SENT)
    else process.nextTick(() => this.#copied({ ...NOTHING_SENT, end: END.refused }, obstacle))
  }

  get #mayCopy(): boolean {
    return this.#methods === ONLY.auto || this.#methods === ONLY.copy || this.#request.method === 'auto'
  }

  /** Whether a transfer that could not be started may be ended by copying. Nobody counts headers and trailers apart. */
  get #knowsRest(): boolean {
    const { headers, trailers, until } = this.#request
    return this.#mayCopy && until !== 'acknowledged' && headers.length + trailers.length === 0
  }

  /** Reads and writes what comes after the bytes that have been sent, of those from `offset` on. */
  #copy(
    write: WriteChunk,
    obstacle: Obstacle,
    offset: Bytes,
    { bytesSent: sent, syscalls }: typeof NOTHING_SENT,
  ): void {
    const place = this.#place
    if (place === undefined) return
    const stop = new Stop()
    this.#stop = stop
    const taker: Taker = {
      take: (chunk) => new Promise((resolve, reject) => write(chunk, (error) => (error ? reject(error) : resolve()))),
      outstanding: () => place.outstanding,
      progress: (bytesSent) => this.#owner.progress?.(sent + bytesSent, 'copy'),
    }
    const rest = { ...this.#range, offset: add(offset, sent), count: add(this.#range.count, -sent) }
    const resource = new AsyncResource('SENDFILE64')
    void copyRange(rest, this.#request, COPY_CHUNK, taker, stop).then((end) => {
      const whole = { ...end, bytesSent: sent + end.bytesSent, syscalls: syscalls + end.syscalls }
      resource.runInAsyncScope(this.#copied, this, whole, obstacle)
    })
  }

  #copied(end: RangeEnd, obstacle: Obstacle): void {
    this.#phase = 'over'
    const error = this.#owner.ended(end, undefined, obstacle)
    if (error !== undefined && this.#framed) this.#place?.destroy()
    this.#callback?.()
  }

  #begin(): Bytes {
    this.#phase = 'running'
    const { source, ownPosition, offset } = this.#range
    const start = ownPosition ? source.position : offset
    this.#owner.started(start)
    return start
  }

  #command(place: Place, offset: Bytes): kernel.Command {
    const { source, count, ownPosition } = this.#range
    const { fd, isTcp, idleTimeout } = place
    const { onProgress, progressInterval } = this.#request
    const idleTick = idleTimeout > 0 ? Math.min(TICK_MS, Math.ceil(idleTimeout / 10)) : TICK_MS
    const tick = onProgress === undefined ? idleTick : Math.min(idleTick, progressInterval)
    const target = isTcp ? TARGET.socket : TARGET.descriptor
    const methods = this.#methods
    const file = source.fd
    const request = this.#request
    return { target, fd, source: file, offset, count, methods, ownPosition, progressInterval: tick, request }
  }

  /** It was cancelled while it waited; an announced length can no longer be met. */
  #skip(place: Place, callback: WriteCallback): void {
    if (this.#framed) place.destroy()
    callback()
  }

  /** Static, so that no segment needs a function of its own. */
  static #over(segment: FileSegment, event: EngineEvent): void {
    segment.#phase = 'over'
    const place = segment.#place
    if (place === undefined) return
    place.hook.dispatched += segment.#accepted(event) - segment.length
    if (event.bytesSent > 0) place.refreshIdleTimer()
    if (event.end === END.done) segment.#succeed(place, event)
    else segment.#fail(place, event)
  }

  /** The bytes that the socket took, as far as that is known. */
  #accepted({ bytesSent, end }: EngineEvent): number {
    const { headers, trailers } = this.#request
    if (end === END.done) return bytesSent + headers.length + trailers.length
    return bytesSent === 0 ? 0 : bytesSent + headers.length
  }

  /** The stream goes on first: http then ends a message with nothing queued, without an empty write. */
  #succeed(place: Place, event: EngineEvent): void {
    try {
      this.#callback?.()
    } finally {
      const error = this.#owner.ended(event, event)
      if (error !== undefined && this.#framed) place.destroy()
    }
  }

  #fail(place: Place, event: EngineEvent): void {
    const gone = event.end === END.aborted && !this.#cancelled ? this.#destroyedBy : undefined
    const error = this.#owner.ended(gone === undefined ? event : { ...event, destroyedBy: gone }, event)
    // The kernel's answer ends an http message as it would end stock's; what is ours ends it without an 'error'.
    const stock = this.#destroyedBy === undefined && this.#framed && event.errno !== 0
    if (stock && error !== undefined) return this.#callback?.(error)
    if (this.#destroyedBy === undefined && (this.#framed || CONNECTION_LOST.has(event.errno))) place.destroy()
    this.#callback?.()
  }
}

/** A descriptor could not be duplicated, or a thread not be made: nothing has moved. */
export function notStarted(errno: number): EngineEvent {
  return { ...NOTHING_SENT, id: 0, kind: EVENT.completed, end: END.failed, errno, method: 0, call: 0, fallbacks: [] }
}
