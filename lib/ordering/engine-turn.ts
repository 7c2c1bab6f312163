/** A turn in which the engine moves the bytes. */
import type { RangeEnd } from '../executor/end.ts'
import * as kernel from '../executor/kernel.ts'
import type { SegmentSocket } from '../node/marker.ts'
import { TARGET } from '../native/codes.ts'
import type { Bytes } from '../options/validate.ts'
import type { Method } from '../options/sendfile.ts'
import type { Stopped } from '../wait/stop.ts'
import { Turn } from './turn.ts'

/**
 * The minimum time between two progress events, in ms. The idle timer is restarted with this delay, so that a short timeout
 * requires a shorter interval.
 */
const TICK_MS = 100

export class EngineTurn extends Turn implements kernel.Listener {
  #transferId: number | undefined
  #isDestroyed = false
  /** The reason of `stop()` or `destroyed()`. */
  #why: Stopped | undefined
  /** Bytes of the segment that `bytesWritten` of the socket includes. */
  #counted = 0
  /** Bytes of the segment that the socket is known to have accepted. */
  #taken = 0

  /** Starts the transfer. Returns the end if it has already ended; it is not reported in another way then. */
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

  /** Sends, in the tick of {@link begin}, the bytes that http has written before. Returns the number of bytes accepted. */
  static sendHead(socket: SegmentSocket, head: Buffer): number {
    const sent = kernel.sendHead(socket.fd, head)
    socket.hook.dispatched += sent
    return sent
  }

  stop(why: Stopped): void {
    this.#why ??= why
    if (this.#transferId !== undefined) kernel.abort(this.#transferId, false)
  }

  destroyed(error: Error | null, reset: boolean): void {
    if (this.#isDestroyed) return
    this.#isDestroyed = true
    this.#why ??= { kind: 'destroyed', error }
    // 'close' is emitted before the engine has stopped: from now on only bytes that are known to have been sent count.
    this.#count(this.#taken)
    // The FIN of a shutdown must not precede an RST.
    if (this.#transferId !== undefined) kernel.abort(this.#transferId, !reset)
  }

  progress(bytesSent: number, method: Method): void {
    this.#taken = bytesSent + this.order.request.headers.length
    this.socket.hook.moves += 1
    this.socket.refreshIdleTimer()
    this.owner.progressed?.(bytesSent)
    if (this.order.request.onProgress === undefined) return
    this.inContext(() => this.owner.progress?.(bytesSent, method))
  }

  override completed(end: RangeEnd): void {
    this.#count(this.#accepted(end))
    if (end.bytesSent > 0) this.socket.refreshIdleTimer()
    super.completed(end.kind === 'stopped' && this.#why !== undefined ? { ...end, ...this.#why } : end)
  }

  #command(offset: Bytes): kernel.Command {
    const { range, methods, request } = this.order
    const { source, count, ownPosition } = range
    const { fd, isTcp, idleTimeout } = this.socket
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

  /** The bytes that the socket has accepted, as far as is known. */
  #accepted({ bytesSent, kind }: RangeEnd): number {
    const { headers, trailers } = this.order.request
    if (kind === 'done') return bytesSent + headers.length + trailers.length
    return bytesSent === 0 ? 0 : bytesSent + headers.length
  }

  #count(bytes: number): void {
    this.socket.hook.dispatched += bytes - this.#counted
    this.#counted = bytes
  }
}
