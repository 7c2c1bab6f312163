/**
 * What a file stream does while it is piped: answers `_read` by a marker that goes straight to the destination where
 * nobody but the pipe reads the stream and the kernel can reach the destination, and by a read as stock otherwise.
 *
 * Everything else is the pipe of Node itself. A segment is one `_read`: it ends with a push of nothing, after which the
 * Readable asks again. So a pause, an unpipe, a second destination or a 'data' listener are met between two segments,
 * and no marker is ever in the Readable's buffer.
 */
import { AdaptiveSize, ChunkSize } from './adaptive-size.ts'
import { type CachedFile, SMALL } from './cached-file.ts'
import { closedState, hidesChunks, isWrapped, routeTo, wrapperObstacle } from './destination.ts'
import { systemError, unsupported } from './errors.ts'
import { isShortage, OBSTACLE, type Obstacle, wrapped } from './errors/obstacle.ts'
import type { RangeEnd } from './executor/end.ts'
import type { Failure } from './executor/failure.ts'
import { FilePieces, type Rest } from './file-pieces.ts'
import { type Destination, isHeld } from './hold.ts'
import { ONLY } from './native/codes.ts'
import {
  awaitsDrain,
  type FileStream,
  isPipedTo,
  onlyPipe,
  readAsStock,
  replacedInReading,
  withMethod,
} from './node-streams.ts'
import { isPipesOwn, ownWrite, readsOwn } from './node/unpatched.ts'
import { hasBody } from './node-internals.ts'
import { endPipe } from './pipe-end.ts'
import { choose } from './preference.ts'
import type { MarkerRoute } from './ordering/placement.ts'
import { PipedSegment, type SegmentSender } from './piped-segment.ts'
import { cutShort, failSegment, isDestroyed, isFailure, lost } from './segment-failure.ts'
import type { Settings } from './stream-options.ts'
import { LiveTransfer } from './stream-transfer.ts'

const SEGMENT_LEAST = 1 << 20
const SEGMENT_MOST = 16 << 20
/** A segment that was taken within this time is followed by a larger one. */
const SEGMENT_QUICK_MS = 50

/** How a stream was made. */
export interface Opening {
  readonly settings: Settings
  /** Opens the path of the stream; `undefined` where it was given a descriptor, or has an `fs` of its own. */
  readonly file: CachedFile | undefined
}

/** Who hears that the transfer is over. */
export type Finished = (transfer: LiveTransfer, error: unknown) => void

export class Pump implements SegmentSender {
  readonly transfer: LiveTransfer
  readonly #source: FileStream
  readonly #destination: Destination
  readonly #settings: Settings
  readonly #finished: Finished
  readonly #pieces: FilePieces
  readonly #segmentSize = new AdaptiveSize(SEGMENT_LEAST, SEGMENT_MOST, SEGMENT_QUICK_MS)
  /** The pipe's own 'data' listener: takes a chunk to the destination, and pauses the stream if that is full. */
  #ondata: Function | undefined
  #current: PipedSegment | undefined
  /** Bytes of the current segment that the stream's figures count already. */
  #counted = 0
  /** Why the kernel is not asked any more. */
  #isStock = false
  /** Bytes that may go past a wrapped `write`. */
  #allowance: number | undefined
  /** Towards TLS, chunks may be larger where nobody sees them. */
  #isEncrypted = false
  readonly #chunks = new ChunkSize()
  /** Bytes that the option `rate` has been told of. */
  #pacedBytes: number
  #isOver = false
  #failure: { readonly error: unknown } | undefined

  constructor(source: FileStream, destination: Destination, { settings, file }: Opening, finished: Finished) {
    this.#source = source
    this.#destination = destination
    this.#settings = settings
    this.#finished = finished
    this.#pieces = new FilePieces(source, file)
    this.#pacedBytes = source.bytesRead
    this.transfer = new LiveTransfer(source, settings.method)
    if (settings.ownFs) this.#meet(OBSTACLE.ownFs)
  }

  /** The pipe stands. */
  begin(ondata: unknown): void {
    if (typeof ondata !== 'function') return
    if (isPipesOwn(this.#source, ondata)) this.#ondata = ondata
    else this.#meet(wrapped('on', 'stream'))
  }

  /** Answers `_read`. */
  read(size: number): void {
    const wait = this.#pacing()
    if (wait > 0) setTimeout(Pump.#paced, wait, this, size)
    // Not within `_read`: the Readable may be about to hand on what it has buffered, and takes what is thrown for ours.
    else if (this.#isAlone()) process.nextTick(Pump.#next, this, size)
    else this.#copy(size)
  }

  static #next(pump: Pump, size: number): void {
    const source = pump.#source
    if (source.destroyed) return
    const sent = source.readableLength === 0 && pump.#isAlone() && pump.#send()
    if (!sent) pump.#copy(size)
  }

  static #paced(pump: Pump, size: number): void {
    if (!pump.#source.destroyed) Pump.#next(pump, size)
  }

  /** How long the option `rate` wants the stream to wait, in ms. */
  #pacing(): number {
    const { pace } = this.#settings
    if (pace === undefined) return 0
    pace.sent(this.#source.bytesRead - this.#pacedBytes)
    this.#pacedBytes = this.#source.bytesRead
    return pace.delay
  }

  /** Reads a chunk, and lets the pipe take it. */
  #copy(size: number): void {
    if (this.#source.destroyed) return
    const hidden = this.#isEncrypted && this.#isUnseen() && hidesChunks(this.#destination)
    const chunk = hidden ? this.#chunks.instead(size) : this.#pieces.fitting(size)
    readAsStock(this.#source, Math.min(chunk, this.#settings.pace?.step ?? chunk))
  }

  /** The stream is no longer piped to some destination, perhaps not to ours. */
  unpiped(): void {
    if (isPipedTo(this.#source, this.#destination)) return
    const segment = this.#current
    if (segment !== undefined && isDestroyed(this.#destination)) segment.cancel()
    else if (segment !== undefined) this.#letGo(segment)
    const isLost = isDestroyed(this.#destination) && !this.#source.readableEnded
    this.finish(Reflect.get(this.#destination, 'errored') ?? (isLost ? lost(this.#source, this.transfer) : undefined))
  }

  /** Nothing more will be sent. */
  finish(error: unknown): void {
    this.#failure ??= { error }
    if (this.#isOver || this.#current !== undefined) return
    this.#isOver = true
    this.transfer.freeze()
    this.#finished(this.transfer, this.#failure.error ?? undefined)
  }

  /* -------------------------------------------------- whether the kernel may do it */

  /** Whether nobody could tell that no chunks come by. */
  #isAlone(): boolean {
    if (this.#isStock || this.#isOver) return false
    const source = this.#source
    if (!this.#isFlowing() || !isPipedTo(source, this.#destination)) return false
    if (!this.#isUnseen()) return this.transfer.meet(OBSTACLE.shared)
    const replaced = replacedInReading(source)
    if (replaced !== undefined) return this.transfer.meet(wrapped(replaced, 'stream'))
    return readsOwn() || this.#meet(OBSTACLE.ownFs)
  }

  /**
   * Or stands still until 'drain', after a chunk from the buffer. A chunk that is read ahead now would be followed by
   * another at every 'drain'; a marker takes no memory, and waits in the destination as well as in the stream.
   */
  #isFlowing(): boolean {
    const { readableFlowing } = this.#source
    return readableFlowing === true || awaitsDrain(this.#source, this.#destination)
  }

  /** Whether the pipe alone reads the stream: nobody sees how large the chunks are, or that there are none. */
  #isUnseen(): boolean {
    const source = this.#source
    const [listener, ...others] = source.rawListeners('data')
    if (listener !== this.#ondata || others.length > 0 || source.listenerCount('readable') > 0) return false
    return source.readableEncoding === null && onlyPipe(source) === this.#destination
  }

  /** Notes why the kernel does nothing for the rest of this pipe. A method that was asked for is not replaced. */
  #meet(obstacle: Obstacle): false {
    const { method } = this.#settings
    const lacking = isShortage(obstacle)
    this.#isStock = !lacking // it may pass
    if (method === 'auto' || method === 'copy') return this.transfer.meet(obstacle)
    const error = lacking
      ? systemError(-obstacle.errno, 'fcntl')
      : unsupported(`${method}(2) is not possible: ${obstacle.reason}`)
    this.#source.destroy(error)
    return false
  }

  /* -------------------------------------------------- sending */

  /** Sends the next segment, or the end. Returns false where a read has to do it. */
  #send(): boolean {
    if (isHeld(this.#destination)) return this.transfer.meet(OBSTACLE.held)
    if (closedState(this.#destination) !== undefined) return false
    const route = routeTo(this.#destination)
    if (route.by === 'copy') {
      this.#isEncrypted = route.obstacle.code === 'TLS'
      return this.#meet(route.obstacle)
    }
    if (this.#pieces.isAtEnd) return this.#end(route)
    const rest = this.#pieces.open(this.#small)
    if ('code' in rest) return this.#meet(rest)
    const { methods, obstacle } = choose(this.#settings.method, rest.file.remote)
    const length = obstacle === undefined ? this.#lengthFor(route, rest) : 0
    if (length > 0) this.#sendPiece(route, rest, length, methods)
    else rest.file.close()
    return obstacle === undefined ? length > 0 : this.#meet(obstacle)
  }

  /** Up to how many bytes to read: written together with the headers, they take fewer calls. */
  get #small(): number {
    const { method, segment = SMALL } = this.#settings
    return choose(method, undefined).methods === ONLY.auto ? Math.min(segment, SMALL) : 0
  }

  #lengthFor(route: MarkerRoute, { left }: Rest): number {
    if (left <= 0) return 0
    // HEAD, 204, 304: http throws away what it is given, however much that is.
    if (route.by === 'message' && !hasBody(route.message)) return left
    const most = Math.min(left, this.#settings.segment ?? this.#segmentSize.value, this.#settings.pace?.step ?? left)
    if (!hasWrapper(route)) return most
    if (this.#allowance === undefined) {
      const obstacle = wrapperObstacle(route.message, left)
      if (obstacle !== undefined) this.#meet(obstacle)
      this.#allowance = obstacle === undefined ? left : 0
    }
    return Math.min(most, this.#allowance)
  }

  #sendPiece(route: MarkerRoute, { file, offset }: Rest, length: number, methods: number): void {
    const { request } = this.#settings
    const segment = new PipedSegment({ file, offset, length }, { methods, request }, route, this)
    this.#current = segment
    this.#counted = 0
    const hand = (chunk: Buffer): void => {
      if (this.#ondata !== undefined) Reflect.apply(this.#ondata, this.#source, [chunk])
    }
    if (!hasWrapper(route)) return segment.write(hand)
    this.#allowance = (this.#allowance ?? 0) - length
    const write = ownWrite(route.message) ?? route.message.write
    segment.write((chunk) => withMethod(route.message, 'write', write, () => hand(chunk)))
  }

  #end(route: MarkerRoute): true {
    const { missing } = this.#pieces
    if (missing > 0 && route.by === 'message') route.message.destroy(cutShort(this.#source, this.transfer, missing))
    this.#source.push(null)
    return true
  }

  /* -------------------------------------------------- what becomes of a segment */

  segmentProgressed(segment: PipedSegment, bytes: number): void {
    if (segment === this.#current) this.#count(bytes)
  }

  segmentEnded(segment: PipedSegment, end: RangeEnd, tookMs: number): Error | undefined {
    const isCurrent = segment === this.#current
    // What the destination was given and threw away has left the stream as well.
    const isGone = end.kind === 'dropped' || end.kind === 'rejected'
    if (isCurrent) {
      this.#count(isGone ? segment.piece.length : end.bytesSent)
      this.#pieces.moved(segment.piece, this.#counted)
      this.#current = undefined
    }
    this.#note(end, tookMs)
    const error = isFailure(end) ? this.#fail(segment, end) : undefined
    if (this.#failure !== undefined) this.finish(error)
    // A stock stream is not asked again either after `write` has thrown out of its push.
    if (isCurrent && end.kind !== 'rejected' && !this.#source.destroyed) this.#goOn()
    return error
  }

  #goOn(): void {
    if (this.#pieces.isAtEnd && this.#pieces.missing === 0) endPipe(this.#source, this.#destination)
    else this.#source.push('')
  }

  /** `bytes` of the current segment have left the stream. */
  #count(bytes: number): void {
    const source = this.#source
    source.bytesRead += bytes - this.#counted
    if (source.pos !== undefined) source.pos += bytes - this.#counted
    this.#counted = bytes
  }

  /** The destination is left, and keeps what it was given: the stream goes on behind the segment. */
  #letGo(segment: PipedSegment): void {
    this.#count(segment.piece.length)
    this.#pieces.passed(segment.piece)
    this.#current = undefined
    segment.letGo()
    if (!this.#source.destroyed) this.#source.push('')
  }

  #note({ kind, obstacle, method, refusals }: RangeEnd, tookMs: number): void {
    if (kind === 'dropped') this.transfer.drop()
    if (kind === 'done') this.#segmentSize.took(tookMs)
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
