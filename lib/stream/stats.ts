/** What is known of a piped stream's transfer, while it goes on and afterwards. */
import type { TransferFigures } from '../trace/channels.ts'
import { OBSTACLE, type Obstacle } from '../errors/obstacle.ts'
import { type FileStream, isReadAlready } from '../node/readable.ts'
import type { Method } from '../options/sendfile.ts'
import { debug } from '../options/environment.ts'
import type { Fallback } from '../transfer/result.ts'
import type { StreamPosition } from './position.ts'

/** The transfer of a stream to the destination it was piped to last. */
export interface StreamTransfer {
  /** The method that was used last. */
  readonly method: Method
  /** Bytes that the destination has accepted so far. */
  readonly bytesSent: number
  /** Why no better method was used, in order; empty when the best one was, or one was forced. */
  readonly fallbacks: readonly Fallback[]
}

export class LiveTransfer implements StreamTransfer, TransferFigures {
  method: Method
  readonly fallbacks: Fallback[] = []
  readonly #isForced: boolean
  #dropped = false
  readonly #position: StreamPosition

  constructor(source: FileStream, position: StreamPosition, method: 'auto' | Method) {
    this.#position = position
    this.#isForced = method !== 'auto'
    this.method = method === 'auto' ? 'sendfile' : method
    // What is in its buffer, or about to be, the destination gets from there: perhaps that is the whole file.
    if (isReadAlready(source)) this.meet(OBSTACLE.readBefore)
  }

  get bytesSent(): number {
    return this.#dropped ? 0 : this.#position.sent
  }

  /** The message has no body: HEAD, 204, 304. */
  drop(): void {
    this.#dropped = true
  }

  /** Something stands between the kernel and the destination. */
  meet({ code, reason }: Obstacle): false {
    this.method = 'copy'
    this.fellBack({ from: 'sendfile', to: 'copy', code, reason })
    return false
  }

  /** A better method was not used. Each reason stands once, however many segments met it. */
  fellBack(step: Fallback): void {
    const isKnown = this.fallbacks.some(
      ({ from, to, code }) => from === step.from && to === step.to && code === step.code,
    )
    if (this.#isForced || isKnown) return
    debug('a stream goes by %s instead of %s: %s, %s', step.to, step.from, step.code, step.reason)
    this.fallbacks.push(step)
  }

  /** The figures no longer change. */
  freeze(): void {
    this.#position.freeze()
  }
}
