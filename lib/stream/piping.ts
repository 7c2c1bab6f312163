/**
 * What a file stream does while it is piped: answers `_read` by a marker that goes straight to the destination where
 * nobody but the pipe reads the stream and the kernel can reach the destination, and by a read as stock otherwise.
 *
 * Everything else is the pipe of Node itself. A segment is one `_read`: it ends with a push of nothing, after which the
 * Readable asks again. So a pause, an unpipe, a second destination or a 'data' listener are met between two segments,
 * and no marker is ever in the Readable's buffer.
 *
 * | State                | Whose turn it is                                       | What ends it                      |
 * | -------------------- | ------------------------------------------------------ | --------------------------------- |
 * | reading              | `#copy`: fs.ReadStream reads a chunk                   | its push: Node calls `_read`      |
 * | waiting for the rate | `#pace` calls `read` again when bytes may go           | bytes may go, or `finish`         |
 * | sending              | `#current`: the engine moves the segment               | `segmentEnded`                    |
 * | leaving              | `#failure` is set; `#current` still has to end         | `segmentEnded` calls `finish`     |
 * | over                 | `#isOver`: the figures are fixed, every read is stock  | nothing                           |
 */
import { ChunkSize } from '../executor/chunk-size.ts'
import type { Shortfall } from '../node/announced-length.ts'
import { Audience } from './audience.ts'
import { SMALL } from '../source/cached.ts'
import { closedState, hidesChunks, isWrapped, routeTo } from '../destination/stream.ts'
import { systemError, unsupported } from '../errors/sendfile-error.ts'
import { isShortage, OBSTACLE, type Obstacle } from '../errors/obstacle.ts'
import type { RangeEnd } from '../executor/end.ts'
import type { Failure } from '../executor/failure.ts'
import { FilePieces, type Rest } from './cursor.ts'
import { type Destination, isHeld } from '../destination/hold.ts'
import { ONLY } from '../native/codes.ts'
import { type FileStream, isPipedTo, readAsStock, withMethod } from '../node/readable.ts'
import { ownWrite, readsOwn } from '../node/unpatched.ts'
import { condemn } from '../node/outgoing-message.ts'
import { Pace } from '../transfer/pace.ts'
import { endPipe } from './pipe-end.ts'
import { choose } from '../options/environment.ts'
import type { MarkerRoute } from '../ordering/placement.ts'
import { PipedSegment, type SegmentSender } from './segment.ts'
import { cutShort, failSegment, isDestroyed, isFailure, lost } from './segment-failure.ts'
import { SegmentSize } from './segment-size.ts'
import type { Opening, Settings } from '../options/read-stream.ts'
import { StreamPosition } from './position.ts'
import { LiveTransfer } from './stats.ts'

/** Who hears that the transfer is over. */
export type Finished = (transfer: LiveTransfer, error: unknown) => void

export class Pump implements SegmentSender {
  readonly transfer: LiveTransfer
  readonly #source: FileStream
  readonly #destination: Destination
  readonly #settings: Settings
  readonly #finished: Finished
  readonly #audience: Audience
  readonly #position: StreamPosition
  readonly #pieces: FilePieces
  readonly #pace: Pace | undefined
  readonly #size: SegmentSize
  #current: PipedSegment | undefined
  /** Why the kernel is not asked any more. */
  #isStock = false
  /** Towards TLS, chunks may be larger where nobody sees them. */
  #isEncrypted = false
  readonly #chunks = new ChunkSize()
  #isOver = false
  #failure: { readonly error: unknown } | undefined

  constructor(source: FileStream, destination: Destination, { settings, file }: Opening, finished: Finished) {
    this.#source = source
    this.#destination = destination
    this.#settings = settings
    this.#finished = finished
    this.#audience = new Audience(source, destination)
    this.#position = new StreamPosition(source)
    this.#pieces = new FilePieces(source, this.#position, file)
    this.transfer = new LiveTransfer(source, this.#position, settings.method)
    const shortfall: Shortfall = (missing) => cutShort(source, this.transfer, missing)
    this.#pace = settings.limiter === undefined ? undefined : new Pace(settings.limiter)
    this.#size = new SegmentSize(source, destination, settings, this.#pace, shortfall)
    if (settings.ownFs) this.#meet(OBSTACLE.ownFs)
  }

  /** The pipe stands. */
  begin(ondata: unknown): void {
    const obstacle = this.#audience.begin(ondata)
    if (obstacle !== undefined) this.#meet(obstacle)
  }

  /** Answers `_read`. */
  read(size: number): void {
    if (this.#isOver || this.#mayGo(size)) this.#answer(size)
  }

  #answer(size: number): void {
    // Not within `_read`: the Readable may be about to hand on what it has buffered, and takes what is thrown for ours.
    if (this.#isAlone()) process.nextTick(Pump.#next, this, size)
    else this.#copy(size)
  }

  static #next(pump: Pump, size: number): void {
    const source = pump.#source
    if (source.destroyed) return
    const sent = source.readableLength === 0 && pump.#isAlone() && pump.#send(size)
    if (!sent) pump.#copy(size)
  }

  /** Whether the option `rate` lets the stream go on; otherwise the read is answered later. */
  #mayGo(size: number): boolean {
    const pace = this.#pace
    return pace === undefined || pace.admits(this.#position.advance(), () => this.read(size))
  }

  /** Reads a chunk, and lets the pipe take it. */
  #copy(size: number): void {
    if (this.#source.destroyed) return
    // As if the file ended here: it has grown since its length was announced.
    if (this.#size.room <= 0) return void this.#source.push(null)
    const hidden = this.#isEncrypted && this.#audience.isUnseen && hidesChunks(this.#destination)
    const chunk = hidden ? this.#chunks.instead(size) : this.#pieces.fitting(size)
    readAsStock(this.#source, this.#size.ofChunk(chunk))
  }

  /** The stream is no longer piped to some destination, perhaps not to ours. */
  unpiped(): void {
    if (isPipedTo(this.#source, this.#destination)) return
    const segment = this.#current
    if (segment !== undefined && isDestroyed(this.#destination)) segment.cancel()
    else if (segment !== undefined) this.#letGo(segment)
    // pipeline() leaves its destination at the 'end' that it ends it at.
    if (this.#source.readableEnded)
      return process.nextTick(() => this.finish(Reflect.get(this.#destination, 'errored')))
    const isLost = isDestroyed(this.#destination)
    this.finish(Reflect.get(this.#destination, 'errored') ?? (isLost ? lost(this.#source, this.transfer) : undefined))
  }

  /** Nothing more will be sent. */
  finish(error: unknown): void {
    this.#failure ??= { error: error ?? this.#size.failure }
    if (this.#isOver || this.#current !== undefined) return
    this.#isOver = true
    this.#pace?.release()
    this.transfer.freeze()
    this.#finished(this.transfer, this.#failure.error ?? undefined)
  }

  /* -------------------------------------------------- whether the kernel may do it */

  /** Whether nobody could tell that no chunks come by. */
  #isAlone(): boolean {
    if (this.#isStock || this.#isOver || !this.#audience.isFlowing) return false
    const { obstacle } = this.#audience
    if (obstacle !== undefined) return this.transfer.meet(obstacle)
    return readsOwn() || this.#meet(OBSTACLE.ownFs)
  }

  /** Notes why the kernel does nothing for the rest of this pipe. A method that was asked for is not replaced. */
  #meet(obstacle: Obstacle): false {
    const { method } = this.#settings
    const lacking = isShortage(obstacle)
    this.#isStock = !lacking // it may pass
    if (method === 'auto' || method === 'copy') return this.transfer.meet(obstacle)
    const error = lacking
      ? systemError(-obstacle.errno, 'fcntl')
      : unsupported(`${method}(2) cannot be used: ${obstacle.reason}. Use method: 'auto' to copy instead`)
    this.#source.destroy(error)
    return false
  }

  /* -------------------------------------------------- sending */

  /** Sends the next segment, or the end, perhaps later. Returns false where a read of `size` bytes has to do it. */
  #send(size: number): boolean {
    if (isHeld(this.#destination)) return this.transfer.meet(OBSTACLE.held)
    if (closedState(this.#destination) !== undefined) return false
    const route = routeTo(this.#destination)
    if (route.by === 'copy') {
      this.#isEncrypted = route.obstacle.code === 'TLS'
      return this.#meet(route.obstacle)
    }
    if (this.#size.room <= 0) return false
    if (this.#pieces.isAtEnd) return this.#end(route)
    const rest = this.#pieces.open(this.#small)
    if (rest instanceof Promise) {
      void rest.then(() => {
        Pump.#next(this, size)
        this.#pieces.release()
      })
      return true
    }
    if ('code' in rest) return this.#meet(rest)
    if (rest.left <= 0 && this.#pieces.missing > 0) {
      rest.file.close()
      return this.#end(route)
    }
    const { methods, obstacle } = choose(this.#settings.method, rest.file.remote)
    const length = obstacle ?? this.#size.ofMarker(route, rest.left)
    if (typeof length === 'number' && length > 0) {
      this.#sendPiece(route, rest, length, methods)
      return true
    }
    rest.file.close()
    return typeof length === 'number' ? false : this.#meet(length)
  }

  /** Up to how many bytes to read: written together with the headers, they take fewer calls. */
  get #small(): number {
    const { method, segment = SMALL } = this.#settings
    return choose(method, undefined).methods === ONLY.auto ? Math.min(segment, SMALL) : 0
  }

  #sendPiece(route: MarkerRoute, { file, offset }: Rest, length: number, methods: number): void {
    const { request } = this.#settings
    const segment = new PipedSegment({ file, offset, length }, { methods, request }, route, this)
    this.#current = segment
    this.#position.beginSegment()
    const hand = (chunk: Buffer): void => this.#audience.hand(chunk)
    if (!hasWrapper(route)) return segment.write(hand)
    this.#size.passedWrapper(length)
    const write = ownWrite(route.message) ?? route.message.write
    segment.write((chunk) => withMethod(route.message, 'write', write, () => hand(chunk)))
  }

  #end(route: MarkerRoute): true {
    const { missing } = this.#pieces
    if (missing > 0 && route.by === 'message') condemn(route.message, cutShort(this.#source, this.transfer, missing))
    endPipe(this.#source, this.#destination, missing === 0)
    return true
  }

  /* -------------------------------------------------- what becomes of a segment */

  segmentProgressed(segment: PipedSegment, bytes: number): void {
    if (segment === this.#current) this.#position.reach(bytes)
  }

  segmentEnded(segment: PipedSegment, end: RangeEnd, tookMs: number): Error | undefined {
    const isCurrent = segment === this.#current
    // What the destination was given and threw away has left the stream as well.
    const isGone = end.kind === 'dropped' || end.kind === 'rejected'
    if (isCurrent) {
      const moved = isGone ? segment.piece.length : end.bytesSent
      this.#position.reach(moved)
      this.#pieces.moved(segment.piece, moved)
      this.#current = undefined
    }
    this.#note(end, tookMs)
    const error = isFailure(end) ? this.#fail(segment, end) : undefined
    if (this.#failure !== undefined) this.finish(error)
    // A stock stream is not asked again either after `write` has thrown out of its push.
    if (isCurrent && end.kind !== 'rejected' && !this.#source.destroyed) this.#goOn(end.kind)
    return error
  }

  /** The end is told right behind the last byte. A destination that is destroyed for a file that was cut gets no other. */
  #goOn(kind: RangeEnd['kind']): void {
    const isAtEnd = this.#pieces.isAtEnd && this.#pieces.missing === 0
    const isOver = isAtEnd || this.#size.room <= 0 || (kind === 'truncated' && isDestroyed(this.#destination))
    if (isOver) endPipe(this.#source, this.#destination, kind === 'done')
    else this.#source.push('')
  }

  /** The destination is left, and keeps what it was given: the stream goes on behind the segment. */
  #letGo(segment: PipedSegment): void {
    this.#position.reach(segment.piece.length)
    this.#pieces.passed(segment.piece)
    this.#current = undefined
    segment.letGo()
    if (!this.#source.destroyed) this.#source.push('')
  }

  #note({ kind, obstacle, method, refusals }: RangeEnd, tookMs: number): void {
    if (kind === 'dropped') this.transfer.drop()
    if (kind === 'done') this.#size.took(tookMs)
    if (obstacle !== undefined) this.transfer.meet(obstacle)
    else if (method !== undefined) this.transfer.method = method
    for (const step of refusals) this.transfer.fellBack(step)
  }

  #fail({ piece }: PipedSegment, end: Failure): Error | undefined {
    this.#isStock = true // a read will say what is the matter with the file
    const about = { request: this.#settings.request, transfer: this.transfer }
    return failSegment(end, piece.length, this.#source, this.#destination, about)
  }
}

function hasWrapper(route: MarkerRoute): route is MarkerRoute & { by: 'message' } {
  return route.by === 'message' && isWrapped(route.message)
}
