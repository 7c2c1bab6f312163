/** The turn of a segment: from the time when every earlier byte is in the kernel until the segment has ended. */
import { AsyncResource } from 'node:async_hooks'

import type { RangeEnd } from '../executor/end.ts'
import { failsDestination, isConnectionLost } from '../executor/failure.ts'
import type { SegmentSocket, Running, WriteCallback } from '../node/marker.ts'
import type { KernelRange } from './segment.ts'
import type { Method, Request } from '../options/sendfile.ts'
import type { Stopped } from '../wait/stop.ts'

/** The request of a segment. */
export interface Order {
  readonly range: KernelRange
  /** A value of `ONLY` or `PREFER`. */
  readonly methods: number
  /** An http message has announced the length: if it cannot be kept, the connection is destroyed. */
  readonly framed: boolean
  readonly request: Request
}

/** Receives the events of a turn. */
export interface TurnOwner {
  /** Reports the bytes of the range that have been sent so far, if `onProgress` was requested. */
  progress?(bytesSent: number, method: Method): void
  /** Reports the same without regard to `onProgress`. */
  progressed?(bytesSent: number): void
  /** Reports the end, once. Returns the error of a failed segment. */
  ended(end: RangeEnd): Error | undefined
}

export abstract class Turn implements Running {
  protected readonly order: Order
  protected readonly socket: SegmentSocket
  protected readonly owner: TurnOwner
  readonly #callback: WriteCallback
  #resource: AsyncResource | undefined

  /** `callback` informs the Writable that the chunk has been written. */
  constructor(order: Order, socket: SegmentSocket, callback: WriteCallback, owner: TurnOwner) {
    this.order = order
    this.socket = socket
    this.owner = owner
    this.#callback = callback
  }

  /** Stops moving bytes. */
  abstract stop(why: Stopped): void

  abstract destroyed(error: Error | null, reset: boolean): void

  /** The turn continues after this tick: guards the socket until its end. */
  protected lasts(): void {
    this.#resource = new AsyncResource('SENDFILE64')
    this.socket.hook.running = this
    this.socket.guard()
  }

  protected inContext(action: () => void): void {
    if (this.#resource === undefined) action()
    else this.#resource.runInAsyncScope(action)
  }

  /** Ends a turn for which {@link lasts} was called. */
  protected completed(end: RangeEnd): void {
    this.socket.hook.running = undefined
    this.socket.unguard()
    this.inContext(() => this.over(end))
  }

  /**
   * Informs the stream and the owner. A peer that has closed the connection may have sent a response before. An error would
   * destroy the socket, and with it the bytes that have been received but not read.
   */
  over(end: RangeEnd): void {
    if (end.kind === 'done') this.#succeed(end)
    else if (isConnectionLost(end)) this.socket.afterReading((isAnswered) => this.#fail(end, isAnswered))
    else this.#fail(end)
  }

  /** The callback comes first, so that http ends the message with an empty queue and without an empty write. */
  #succeed(end: RangeEnd): void {
    try {
      this.#callback()
    } finally {
      const error = this.owner.ended(end)
      if (error !== undefined && this.order.framed) this.socket.destroy()
    }
  }

  /**
   * An error that a stock write would have met ends an http message as it would for stock. An error of this package destroys
   * it without an 'error' event, and so does an error after the response has been received.
   */
  #fail(end: RangeEnd, isAnswered = false): void {
    const { framed } = this.order
    const error = this.owner.ended(end)
    const isStock = ['failed', 'refused', 'lacking'].includes(end.kind) || failsDestination(end)
    if (framed && isStock && error !== undefined && !isAnswered) return this.#callback(error)
    if (framed || failsDestination(end)) this.socket.destroy()
    this.#callback()
  }
}
