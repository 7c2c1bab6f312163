/** The statistics of the transfer of a piped stream. */
import type { TransferFigures } from '../trace/channels.ts'
import { OBSTACLE, type Obstacle } from '../errors/obstacle.ts'
import { type FileStream, isReadAlready } from '../node/readable.ts'
import type { Method } from '../options/sendfile.ts'
import { debug } from '../options/environment.ts'
import type { Fallback } from '../executor/end.ts'
import type { StreamPosition } from './position.ts'

/** The transfer of a stream to the destination of its last `pipe()`. */
export interface StreamTransfer {
  /** The method that was used last. */
  readonly method: Method
  /** Number of bytes that the destination has accepted so far. */
  readonly bytesSent: number
  /** The reasons why a better method was not used, in order; empty if the best one was used, or if one was forced. */
  readonly fallbacks: readonly Fallback[]
}

export class LiveTransfer implements StreamTransfer, TransferFigures {
  method: Method
  readonly fallbacks: Fallback[] = []
  readonly #isForced: boolean
  #isDropped = false
  readonly #position: StreamPosition

  constructor(source: FileStream, position: StreamPosition, method: 'auto' | Method) {
    this.#position = position
    this.#isForced = method !== 'auto'
    this.method = method === 'auto' ? 'sendfile' : method
    // The destination receives the bytes that are already in the buffer from there; that may be the whole file.
    if (isReadAlready(source)) this.addObstacle(OBSTACLE.readBefore)
  }

  get bytesSent(): number {
    return this.#isDropped ? 0 : this.#position.sent
  }

  /** The message has no body: HEAD, 204, 304. */
  drop(): void {
    this.#isDropped = true
  }

  /** The kernel cannot be used: records the obstacle. */
  addObstacle({ code, reason }: Obstacle): false {
    this.method = 'copy'
    this.addFallback({ from: 'sendfile', to: 'copy', code, reason })
    return false
  }

  /** A better method was not used. Each reason is recorded once, for any number of segments. */
  addFallback(step: Fallback): void {
    if (this.#isForced || this.#isKnown(step)) return
    const { from, to, code, reason } = step
    if (debug.enabled) debug('a stream goes by %s instead of %s: %s, %s', to, from, code, reason)
    this.fallbacks.push(step)
  }

  #isKnown({ from, to, code }: Fallback): boolean {
    for (const known of this.fallbacks) {
      if (known.from === from && known.to === to && known.code === code) return true
    }
    return false
  }

  /** Keeps the figures as they are now. */
  freeze(): void {
    this.#position.freeze()
  }
}
