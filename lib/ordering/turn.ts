/** The turn of a segment on its socket: from the moment when every byte before it is in the kernel to its own end. */
import { AsyncResource } from 'node:async_hooks'

import type { RangeEnd, Stopped } from '../executor/end.ts'
import { failsDestination, isConnectionLost } from '../executor/failure.ts'
import type { Place, Running, WriteCallback } from './marker.ts'
import type { KernelRange } from './segment.ts'
import type { Method, Request } from '../options/sendfile.ts'

/** What a segment is to send, and how. */
export interface Order {
  readonly range: KernelRange
  /** A value of `ONLY` or `PREFER`. */
  readonly methods: number
  /** An http message has announced the length: if it cannot be met, the connection ends. */
  readonly framed: boolean
  readonly request: Request
}

/** What is heard of a segment. */
export interface TurnOwner {
  /** Bytes have moved: how many of the range so far, and by which method. */
  progress?(bytesSent: number, method: Method): void
  /** The same, whether or not the request wants to hear of it. */
  progressed?(bytesSent: number): void
  /** It is over, once. Returns the error that it ended with. */
  ended(end: RangeEnd): Error | undefined
}

export abstract class Turn implements Running {
  protected readonly order: Order
  protected readonly place: Place
  protected readonly owner: TurnOwner
  readonly #callback: WriteCallback
  #resource: AsyncResource | undefined

  /** `callback` tells the Writable that the chunk has been written. */
  constructor(order: Order, place: Place, callback: WriteCallback, owner: TurnOwner) {
    this.order = order
    this.place = place
    this.owner = owner
    this.#callback = callback
  }

  /** Moves no further byte. */
  abstract stop(why: Stopped): void

  abstract destroyed(error: Error | null, reset: boolean): void

  /** It goes on after this tick: until its end, the socket stays in these hands. */
  protected lasts(): void {
    this.#resource = new AsyncResource('SENDFILE64')
    this.place.hook.running = this
    this.place.guard()
  }

  protected inContext(action: () => void): void {
    if (this.#resource === undefined) action()
    else this.#resource.runInAsyncScope(action)
  }

  /** The end of what {@link lasts}. */
  protected completed(end: RangeEnd): void {
    this.place.hook.running = undefined
    this.place.unguard()
    this.inContext(() => this.over(end))
  }

  /**
   * Tells the stream and the owner. The peer that has closed the connection may have said why: an error destroys the socket,
   * and with it what the kernel has received and nobody has read.
   */
  over(end: RangeEnd): void {
    if (end.kind === 'done') this.#succeed(end)
    else if (isConnectionLost(end)) this.place.afterReading((isAnswered) => this.#fail(end, isAnswered))
    else this.#fail(end)
  }

  /** The stream goes on first: http then ends a message with nothing queued, without an empty write. */
  #succeed(end: RangeEnd): void {
    try {
      this.#callback()
    } finally {
      const error = this.owner.ended(end)
      if (error !== undefined && this.order.framed) this.place.destroy()
    }
  }

  /**
   * What stock would have met ends an http message as it would end stock's; what is ours ends it without an 'error', and so
   * does what only was too late for an answer that is there.
   */
  #fail(end: RangeEnd, isAnswered = false): void {
    const { framed } = this.order
    const error = this.owner.ended(end)
    const isStock = ['failed', 'refused', 'lacking'].includes(end.kind) || failsDestination(end)
    if (framed && isStock && error !== undefined && !isAnswered) return this.#callback(error)
    if (framed || failsDestination(end)) this.place.destroy()
    this.#callback()
  }
}
