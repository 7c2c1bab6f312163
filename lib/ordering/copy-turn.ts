/** A turn in which JavaScript copies the bytes, with Node's own write. */
import { AdaptiveSize } from '../executor/chunk-size.ts'
import { copyRange, type Taker } from '../executor/portable.ts'
import type { Obstacle } from '../errors/obstacle.ts'
import type { Figures } from '../executor/end.ts'
import type { SegmentSocket, WriteChunk } from '../node/marker.ts'
import { add, type Bytes } from '../options/validate.ts'
import { Stop, type Stopped } from '../wait/stop.ts'
import { Turn } from './turn.ts'

const COPY_CHUNK = 256 * 1024

export class CopyTurn extends Turn {
  readonly #stop = new Stop()
  #writer: Writer | undefined

  /** Sends the bytes from `offset` on, except those that have already been sent. */
  begin(write: WriteChunk, obstacle: Obstacle, offset: Bytes, done: Figures): void {
    this.lasts()
    const { range, request } = this.order
    const { bytesSent: sent, syscalls, refusals } = done
    const writer = new Writer(this.socket, write, (bytesSent) => this.#moved(sent + bytesSent))
    this.#writer = writer
    const remainder = { ...range, offset: add(offset, sent), count: add(range.count, -sent) }
    void copyRange(remainder, request, AdaptiveSize.fixed(COPY_CHUNK), writer, this.#stop, obstacle).then((end) =>
      this.completed({ ...end, bytesSent: sent + end.bytesSent, syscalls: syscalls + end.syscalls, refusals }),
    )
  }

  stop(why: Stopped): void {
    this.#stop.stop(why)
  }

  destroyed(error: Error | null): void {
    this.#writer?.destroyed()
    this.#stop.stop({ kind: 'destroyed', error })
  }

  #moved(bytesSent: number): void {
    this.owner.progressed?.(bytesSent)
    this.inContext(() => this.owner.progress?.(bytesSent, 'copy'))
  }
}

/** Writes to the socket while it processes the marker. */
class Writer implements Taker {
  readonly #socket: SegmentSocket
  readonly #write: WriteChunk
  readonly progress: (bytesSent: number) => void
  wouldBlock = 0
  /** Bytes of the last chunk that the kernel has not accepted, as far as Node reports. */
  #left = 0
  #isDestroyed = false
  #hasFailed = false

  constructor(socket: SegmentSocket, write: WriteChunk, progress: (bytesSent: number) => void) {
    this.#socket = socket
    this.#write = write
    this.progress = progress
  }

  /** Writes a chunk. If the kernel accepts it at once, the callback is synchronous. */
  take(chunk: Buffer): Promise<void> | undefined {
    this.#left = chunk.length
    let failure: { readonly error: Error } | undefined
    let settled: ((error?: Error | null) => void) | undefined
    const written = (error?: Error | null): void => {
      // After destroy(), Node calls back without an error, even if the chunk was not sent (onWriteComplete).
      if (this.#isDestroyed) return settled?.()
      if (error) {
        this.#hasFailed = true
        failure = { error }
      } else {
        this.#left = 0
      }
      settled?.(error)
    }
    this.#write(chunk, written)
    if (failure !== undefined) throw failure.error
    if (this.#left === 0) return undefined
    this.wouldBlock += 1
    return new Promise((resolve, reject) => {
      settled = (error) => (error ? reject(error) : resolve())
    })
  }

  outstanding(): number {
    return this.#socket.queued
  }

  /** Bytes in libuv are sent later, unless the socket is destroyed. libuv does not report the progress of a failed write. */
  async unsent(): Promise<number> {
    return this.#isDestroyed || this.#hasFailed ? this.#left : 0
  }

  /** The socket is about to discard the bytes of the chunk in libuv. */
  destroyed(): void {
    // Also called when the socket has closed; by then libuv has nothing of it.
    if (this.#isDestroyed) return
    this.#isDestroyed = true
    this.#left = Math.min(this.#left, this.#socket.queued)
  }
}
