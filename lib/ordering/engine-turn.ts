/** A segment whose bytes the engine moves. */
import type { RangeEnd, Stopped } from '../executor/end.ts'
import * as kernel from '../executor/kernel.ts'
import type { Place } from './marker.ts'
import { TARGET } from '../native/codes.ts'
import type { Bytes } from '../options/validate.ts'
import type { Method } from '../options/sendfile.ts'
import { Turn } from './turn.ts'

/**
 * The least time between two progress events, in ms. The idle timer hears of bytes one such time, a wait for the peer
 * and a turn of the event loop after the last: a short timeout needs a finer tick.
 */
const TICK_MS = 100

export class EngineTurn extends Turn implements kernel.Listener {
  #transferId: number | undefined
  /** Why it was given up. */
  #why: Stopped | undefined
  /** Its bytes that the socket's `bytesWritten` counts. */
  #counted = 0
  /** Its bytes that the socket is known to have taken. */
  #taken = 0

  /** Returns how it ended if it is over already; it is not told of to anybody then. */
  begin(offset: Bytes, length: number): RangeEnd | undefined {
    this.#count(length)
    const started = kernel.start(this.#command(offset), this)
    if (typeof started === 'object') {
      this.#count(this.#accepted(started))
      return started
    }
    this.#transferId = started
    this.lasts()
    return undefined
  }

  /** Sends, in the tick of {@link begin}, what http has written before. Returns the bytes taken. */
  static sendHead(place: Place, head: Buffer): number {
    const sent = kernel.sendHead(place.fd, head)
    place.hook.dispatched += sent
    return sent
  }

  stop(why: Stopped): void {
    this.#why ??= why
    if (this.#transferId !== undefined) kernel.abort(this.#transferId, false)
  }

  destroyed(error: Error | null, reset: boolean): void {
    this.#why ??= { kind: 'destroyed', error }
    // 'close' is emitted before the engine has stopped: from now on only what is known to have gone counts.
    this.#count(this.#taken)
    // A RST must not be preceded by the FIN of our shutdown.
    if (this.#transferId !== undefined) kernel.abort(this.#transferId, !reset)
  }

  progress(bytesSent: number, method: Method): void {
    this.#taken = bytesSent + this.order.request.headers.length
    this.place.hook.moves += 1
    this.place.refreshIdleTimer()
    this.owner.progressed?.(bytesSent)
    if (this.order.request.onProgress === undefined) return
    this.inContext(() => this.owner.progress?.(bytesSent, method))
  }

  override completed(end: RangeEnd): void {
    this.#count(this.#accepted(end))
    if (end.bytesSent > 0) this.place.refreshIdleTimer()
    super.completed(end.kind === 'stopped' && this.#why !== undefined ? { ...end, ...this.#why } : end)
  }

  #command(offset: Bytes): kernel.Command {
    const { range, methods, request } = this.order
    const { source, count, ownPosition } = range
    const { fd, isTcp, idleTimeout } = this.place
    const { onProgress, progressInterval } = request
    const idleTick = idleTimeout > 0 ? Math.min(TICK_MS, Math.ceil(idleTimeout / 10)) : TICK_MS
    const tick = onProgress === undefined ? idleTick : Math.min(idleTick, progressInterval)
    const target = isTcp ? TARGET.socket : TARGET.descriptor
    return {
      target,
      fd,
      source: source.fd,
      offset,
      count,
      methods,
      ownPosition,
      progressInterval: tick,
      request,
    }
  }

  /** The bytes that the socket took, as far as that is known. */
  #accepted({ bytesSent, kind }: RangeEnd): number {
    const { headers, trailers } = this.order.request
    if (kind === 'done') return bytesSent + headers.length + trailers.length
    return bytesSent === 0 ? 0 : bytesSent + headers.length
  }

  #count(bytes: number): void {
    this.place.hook.dispatched += bytes - this.#counted
    this.#counted = bytes
  }
}
