/**
 * How a piped file stream answers `_read`: with a marker that is passed directly to the destination, if the pipe is the only
 * consumer of the stream and the kernel can reach the destination; otherwise with a stock read.
 *
 * Everything else is Node's own pipe. A segment is one `_read`: it ends with a push of an empty chunk, after which the
 * Readable calls `_read` again. A pause, an unpipe, a second destination or a 'data' listener therefore takes effect between
 * two segments, and the buffer of the Readable never contains a marker.
 *
 * | State                | In progress                                            | Ended by                          |
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
import { type Opening, SMALL } from '../source/cached.ts'
import { closedState, isUnobserved, isWrapped, routeTo } from '../destination/stream.ts'
import { systemError, unsupported } from '../errors/sendfile-error.ts'
import { isShortage, OBSTACLE, type Obstacle } from '../errors/obstacle.ts'
import type { RangeEnd } from '../executor/end.ts'
import type { Failure } from '../executor/failure.ts'
import { FileCursor, type Remainder } from './cursor.ts'
import { type Destination, isHeld } from '../hooks/hold.ts'
import { ONLY } from '../native/codes.ts'
import { type FileStream, isPipedTo, readAsStock, withMethod } from '../node/readable.ts'
import { ownWrite, readsOwn } from '../node/unpatched.ts'
import { condemn } from '../node/outgoing-message.ts'
import { Pace } from '../wait/pace.ts'
import { endPipe } from './pipe-end.ts'
import { choose } from '../executor/method.ts'
import type { MarkerRoute } from '../ordering/placement.ts'
import { PipedSegment, type SegmentSender } from './segment.ts'
import { cutShort, failSegment, isDestroyed, isFailure, lost } from './segment-failure.ts'
import { SegmentSize } from './segment-size.ts'
import type { Settings } from '../options/read-stream.ts'
import { StreamPosition } from './position.ts'
import { LiveTransfer } from './stats.ts'

/** Called when the transfer has ended. */
export type Finished = (transfer: LiveTransfer, error: unknown) => void

export class Piping implements SegmentSender {
  readonly transfer: LiveTransfer
  readonly #source: FileStream
  readonly #destination: Destination
  readonly #settings: Settings
  readonly #finished: Finished
  readonly #audience: Audience
  readonly #position: StreamPosition
  readonly #cursor: FileCursor
  readonly #pace: Pace | undefined
  readonly #size: SegmentSize
  #current: PipedSegment | undefined
  /** Every further read is stock: the kernel cannot be used. */
  #isStock = false
  /** Chunks to a TLS socket may be larger if no other consumer sees them. */
  #isEncrypted = false
  #chunks: ChunkSize | undefined
  #isOver = false
  #failure: { readonly error: unknown } | undefined

  constructor(source: FileStream, destination: Destination, { settings, file }: Opening, finished: Finished) {
    this.#source = source
    this.#destination = destination
    this.#settings = settings
    this.#finished = finished
    this.#audience = new Audience(source, destination)
    this.#position = new StreamPosition(source)
    this.#cursor = new FileCursor(source, this.#position, file)
    this.transfer = new LiveTransfer(source, this.#position, settings.method)
    const shortfall: Shortfall = (missing) => cutShort(source, this.transfer, missing)
    this.#pace = settings.limiter === undefined ? undefined : new Pace(settings.limiter)
    this.#size = new SegmentSize(source, destination, settings, this.#pace, shortfall)
    if (settings.ownFs) this.#addObstacle(OBSTACLE.ownFs)
  }

  /** The pipe has been set up. */
  begin(ondata: unknown): void {
    const obstacle = this.#audience.begin(ondata)
    if (obstacle !== undefined) this.#addObstacle(obstacle)
  }

  /** Answers `_read`. */
  read(size: number): void {
    if (this.#isOver || this.#isAdmitted(size)) this.#answer(size)
  }

  #answer(size: number): void {
    if (!this.#isOver && !this.#isStock && this.#cursor.isKnownSmall(this.#small)) this.#addObstacle(OBSTACLE.small)
    // Not within `_read`: the Readable may be about to emit buffered data, and treats exceptions as errors of `_read`.
    if (this.#isAlone()) process.nextTick(Piping.#next, this, size)
    else this.#copy(size)
  }

  static #next(piping: Piping, size: number): void {
    const source = piping.#source
    if (source.destroyed) return
    const sent = source.readableLength === 0 && piping.#isAlone() && piping.#send(size)
    if (!sent) piping.#copy(size)
  }

  /** Whether the option `rate` allows the stream to continue; otherwise the read is answered later. */
  #isAdmitted(size: number): boolean {
    const pace = this.#pace
    return pace === undefined || pace.admits(this.#position.advance(), () => this.read(size))
  }

  /** Reads a chunk and lets the pipe write it. */
  #copy(size: number): void {
    if (this.#source.destroyed) return
    // The file has grown since its length was announced: ends the stream here.
    const { room } = this.#size
    if (room <= 0) return void this.#source.push(null)
    const hidden = this.#isEncrypted && this.#audience.isUnseen && isUnobserved(this.#destination)
    const chunk = hidden ? (this.#chunks ??= new ChunkSize()).instead(size) : this.#cursor.fitting(size)
    readAsStock(this.#source, Math.min(this.#size.ofChunk(chunk), room))
  }

  /** The stream has been unpiped from a destination, which may be a different one. */
  unpiped(): void {
    if (isPipedTo(this.#source, this.#destination)) return
    const segment = this.#current
    if (segment !== undefined && isDestroyed(this.#destination)) segment.closed()
    else if (segment !== undefined) this.#detach(segment)
    // pipeline() unpipes the destination in the 'end' event in which it ends it.
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

  /* -------------------------------------------------- whether the kernel can be used */

  /** Whether this pipe is the only consumer, so that omitting 'data' events is unobservable. */
  #isAlone(): boolean {
    if (this.#isStock || this.#isOver || !this.#audience.isFlowing) return false
    const { obstacle } = this.#audience
    if (obstacle !== undefined) return this.transfer.addObstacle(obstacle)
    return readsOwn() || this.#addObstacle(OBSTACLE.ownFs)
  }

  /** Records why the kernel cannot be used for the rest of this pipe. If a method is forced, destroys the stream. */
  #addObstacle(obstacle: Obstacle): false {
    const { method } = this.#settings
    const lacking = isShortage(obstacle)
    this.#isStock = !lacking // a shortage may be temporary
    if (method === 'auto' || method === 'copy') return this.transfer.addObstacle(obstacle)
    const error = lacking
      ? systemError(-obstacle.errno, 'fcntl')
      : unsupported(`${method}(2) cannot be used: ${obstacle.reason}. Use method: 'auto' to copy instead`)
    this.#source.destroy(error)
    return false
  }

  /* -------------------------------------------------- sending */

  /** Sends the next segment or the end, possibly later. Returns false if `size` bytes have to be read instead. */
  #send(size: number): boolean {
    if (isHeld(this.#destination)) return this.transfer.addObstacle(OBSTACLE.held)
    if (closedState(this.#destination) !== undefined) return false
    const route = routeTo(this.#destination)
    if (route.by === 'copy') {
      this.#isEncrypted = route.obstacle.code === 'TLS'
      return this.#addObstacle(route.obstacle)
    }
    if (this.#size.room <= 0) return false
    if (this.#cursor.isAtEnd) return this.#end(route)
    const remainder = this.#cursor.open(this.#small)
    if (remainder instanceof Promise) {
      void remainder.then(() => {
        Piping.#next(this, size)
        this.#cursor.release()
      })
      return true
    }
    if ('code' in remainder) return this.#addObstacle(remainder)
    if (remainder.left <= 0 && this.#cursor.missing > 0) {
      remainder.file.close()
      return this.#end(route)
    }
    const { methods, obstacle } = choose(this.#settings.method, remainder.file.remote)
    const length = obstacle ?? this.#size.ofMarker(route, remainder.left)
    if (typeof length === 'number' && length > 0) {
      this.#sendSegment(route, remainder, length, methods)
      return true
    }
    remainder.file.close()
    return typeof length === 'number' ? false : this.#addObstacle(length)
  }

  /** The size up to which files are read: together with the headers, their bytes take fewer calls. */
  get #small(): number {
    const { method, segment = SMALL } = this.#settings
    return choose(method, undefined).methods === ONLY.auto ? Math.min(segment, SMALL) : 0
  }

  #sendSegment(route: MarkerRoute, { file, offset }: Remainder, length: number, methods: number): void {
    const { request } = this.#settings
    const segment = new PipedSegment({ file, offset, length }, { methods, request }, route, this)
    this.#current = segment
    this.#position.beginSegment()
    const pass = (chunk: Buffer): void => this.#audience.pass(chunk)
    if (!hasWrapper(route)) return segment.write(pass)
    this.#size.passedWrapper(length)
    const write = ownWrite(route.message) ?? route.message.write
    segment.write((chunk) => withMethod(route.message, 'write', write, () => pass(chunk)))
  }

  #end(route: MarkerRoute): true {
    const { missing } = this.#cursor
    if (missing > 0 && route.by === 'message') condemn(route.message, cutShort(this.#source, this.transfer, missing))
    endPipe(this.#source, this.#destination, missing === 0)
    return true
  }

  /* -------------------------------------------------- the end of a segment */

  segmentProgressed(segment: PipedSegment, bytes: number): void {
    if (segment === this.#current) this.#position.reach(bytes)
  }

  segmentEnded(segment: PipedSegment, end: RangeEnd, tookMs: number): Error | undefined {
    const isCurrent = segment === this.#current
    // Bytes that the destination has discarded have left the stream as well.
    const isGone = end.kind === 'dropped' || end.kind === 'rejected'
    if (isCurrent) {
      const moved = isGone ? segment.range.length : end.bytesSent
      this.#position.reach(moved)
      this.#cursor.moved(segment.range, moved)
      this.#current = undefined
    }
    this.#record(end, tookMs)
    const error = isFailure(end) ? this.#fail(segment, end) : undefined
    if (this.#failure !== undefined) this.finish(error)
    // Node does not call `_read` of a stock stream either after `write` has thrown in its push.
    if (isCurrent && end.kind !== 'rejected' && !this.#source.destroyed) this.#continue(end.kind)
    return error
  }

  /** Ends the pipe directly after the last byte, or if the destination was destroyed because the file was truncated. */
  #continue(kind: RangeEnd['kind']): void {
    const isAtEnd = this.#cursor.isAtEnd && this.#cursor.missing === 0
    const isOver = isAtEnd || this.#size.room <= 0 || (kind === 'truncated' && isDestroyed(this.#destination))
    if (isOver) endPipe(this.#source, this.#destination, kind === 'done')
    else this.#source.push('')
  }

  /** The stream was unpiped. The destination still receives the segment; the stream continues after it. */
  #detach(segment: PipedSegment): void {
    this.#position.reach(segment.range.length)
    this.#cursor.passed(segment.range)
    this.#current = undefined
    segment.detach()
    if (!this.#source.destroyed) this.#source.push('')
  }

  #record({ kind, obstacle, method, refusals }: RangeEnd, tookMs: number): void {
    if (kind === 'dropped') this.transfer.drop()
    if (kind === 'done') this.#size.took(tookMs)
    if (obstacle !== undefined) this.transfer.addObstacle(obstacle)
    else if (method !== undefined) this.transfer.method = method
    for (const step of refusals) this.transfer.addFallback(step)
  }

  #fail({ range }: PipedSegment, end: Failure): Error | undefined {
    this.#isStock = true // a stock read reports the error of the file
    const about = { request: this.#settings.request, transfer: this.transfer }
    return failSegment(end, range.length, this.#source, this.#destination, about)
  }
}

function hasWrapper(route: MarkerRoute): route is MarkerRoute & { by: 'message' } {
  return route.by === 'message' && isWrapped(route.message)
}
