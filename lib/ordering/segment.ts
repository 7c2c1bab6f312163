/** A segment of a file: waits for its turn on the socket, is moved, and reports its end. */
import type { KernelFile, Range } from '../executor/range.ts'
import { type Figures, NOTHING_SENT, type RangeEnd } from '../executor/end.ts'
import { STOPPED, type Stopped } from '../wait/stop.ts'
import type { Obstacle } from '../errors/obstacle.ts'
import { type SegmentSocket, PROTOCOL, type Segment, type WriteCallback, type WriteChunk } from '../node/marker.ts'
import { ONLY } from '../native/codes.ts'
import type { Bytes } from '../options/validate.ts'
import { DEFAULT_REQUEST } from '../options/sendfile.ts'
import { CopyTurn } from './copy-turn.ts'
import { EngineTurn } from './engine-turn.ts'
import type { Order, Turn, TurnOwner } from './turn.ts'

/** Receives the events of a segment. */
export interface SegmentOwner extends TurnOwner {
  /** The turn has started: the bytes are moved from `offset` on. */
  started(offset: Bytes): void
}

/** A range that the kernel can read, of known length. */
export interface KernelRange extends Range {
  readonly source: KernelFile
  readonly count: Bytes
}

/** Writable adds and subtracts the lengths of chunks as doubles, which must remain exact. */
const MAX_LENGTH = 2 ** 52

/** Consists of few objects, because thousands of segments may wait for peers that do not read. */
export class FileSegment implements Segment, TurnOwner {
  readonly protocol = PROTOCOL
  readonly length: number
  readonly #order: Order
  readonly #owner: SegmentOwner
  #life: 'waiting' | Turn | 'over' = 'waiting'

  constructor(
    range: KernelRange,
    methods: number,
    framed: boolean,
    owner: SegmentOwner,
    request: Order['request'] = DEFAULT_REQUEST,
  ) {
    const length = Number(range.count) + request.headers.length + request.trailers.length
    this.length = Math.min(length, MAX_LENGTH)
    this.#order = { range, methods, framed, request }
    this.#owner = owner
  }

  /** Whether its turn has not come yet. */
  get isWaiting(): boolean {
    return this.#life === 'waiting'
  }

  /** The destination has closed. A hook of the socket reports that earlier, unless its `_destroy` has been replaced. */
  closed(): void {
    if (this.#life === 'waiting') this.cancel()
    else if (this.#life !== 'over') this.#life.destroyed(null, false)
  }

  /** Stops the segment. If its turn has not started, it ends at once; otherwise when its executor has stopped. */
  cancel(why: Stopped = STOPPED): void {
    if (this.#life === 'waiting') this.ended({ ...NOTHING_SENT, ...why })
    else if (this.#life !== 'over') this.#life.stop(why)
  }

  sendHead(socket: SegmentSocket, head: Buffer): number {
    // Only bytes of http, which no longer matter if the transfer fails.
    return this.#order.framed && this.#life !== 'over' ? EngineTurn.sendHead(socket, head) : 0
  }

  deliver(socket: SegmentSocket, write: WriteChunk, callback: WriteCallback): void {
    if (this.#life === 'over') return this.#skip(socket, callback)
    const offset = this.#begin()
    const turn = new EngineTurn(this.#order, socket, callback, this)
    this.#life = turn
    const end = turn.begin(offset, this.length)
    if (end === undefined) return
    if (end.kind === 'lacking' && this.#canContinueByCopy) {
      return this.#copy(socket, write, callback, { obstacle: end.shortage, offset, done: end })
    }
    // Not within `_write`: http may be flushing its queue, and `end` would flush it again.
    process.nextTick(() => turn.over(end))
  }

  materialize(socket: SegmentSocket, write: WriteChunk, obstacle: Obstacle, callback: WriteCallback): void {
    if (this.#life === 'over') return this.#skip(socket, callback)
    const offset = this.#begin()
    if (this.#mayCopy) return this.#copy(socket, write, callback, { obstacle, offset, done: NOTHING_SENT })
    const turn = new EngineTurn(this.#order, socket, callback, this)
    this.#life = turn
    process.nextTick(() => turn.over({ ...NOTHING_SENT, kind: 'unreachable', reason: obstacle.reason }))
  }

  progress(bytesSent: number, method: Parameters<NonNullable<SegmentOwner['progress']>>[1]): void {
    this.#owner.progress?.(bytesSent, method)
  }

  progressed(bytesSent: number): void {
    this.#owner.progressed?.(bytesSent)
  }

  ended(end: RangeEnd): Error | undefined {
    this.#life = 'over'
    return this.#owner.ended(end)
  }

  #begin(): Bytes {
    const { source, ownPosition, offset } = this.#order.range
    const start = ownPosition ? source.position : offset
    this.#owner.started(start)
    return start
  }

  #copy(
    socket: SegmentSocket,
    write: WriteChunk,
    callback: WriteCallback,
    { obstacle, offset, done }: { obstacle: Obstacle; offset: Bytes; done: Figures },
  ): void {
    const turn = new CopyTurn(this.#order, socket, callback, this)
    this.#life = turn
    turn.begin(write, obstacle, offset, done)
  }

  get #mayCopy(): boolean {
    const { methods, request } = this.#order
    return methods === ONLY.auto || methods === ONLY.copy || request.method === 'auto'
  }

  /** Whether a transfer that could not be started may be copied. The bytes of headers and trailers are not counted separately. */
  get #canContinueByCopy(): boolean {
    const { headers, trailers, until } = this.#order.request
    return this.#mayCopy && until !== 'acknowledged' && headers.length + trailers.length === 0
  }

  /** The segment was cancelled while it waited: an announced length can no longer be kept. */
  #skip(socket: SegmentSocket, callback: WriteCallback): void {
    if (this.#order.framed) socket.destroy()
    callback()
  }
}
