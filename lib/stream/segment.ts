/** One segment of a piped stream on its way to the destination: holds the file until its end. */
import type { RangeEnd } from '../executor/end.ts'
import type { NativeFile } from '../native/file.ts'
import type { Request } from '../options/sendfile.ts'
import { type MarkerRoute, Placement } from '../ordering/placement.ts'
import { FileSegment, type SegmentOwner } from '../ordering/segment.ts'

/** Which bytes of an open file. */
export interface Piece {
  /** Closed once the segment is over. */
  readonly file: NativeFile
  /** In bytes from the start of the file. */
  readonly offset: number
  readonly length: number
}

/** What the engine is asked for. */
export interface How {
  /** A value of `ONLY` or `PREFER`. */
  readonly methods: number
  readonly request: Request
}

/** Who is told. */
export interface SegmentSender {
  /** So many bytes of the segment have been moved. */
  segmentProgressed(segment: PipedSegment, bytes: number): void
  /** It is over, `tookMs` after its turn came; the file is still open. Returns the error that the destination fails with. */
  segmentEnded(segment: PipedSegment, end: RangeEnd, tookMs: number): Error | undefined
}

export class PipedSegment implements SegmentOwner {
  readonly piece: Piece
  readonly #sender: SegmentSender
  readonly #segment: FileSegment
  readonly #placement: Placement
  #startedAt = 0

  constructor(piece: Piece, how: How, route: MarkerRoute, sender: SegmentSender) {
    const { file, offset, length } = piece
    this.piece = piece
    this.#sender = sender
    const range = { file, source: file, offset, count: length, ownPosition: false }
    this.#segment = new FileSegment(range, how.methods, route.by === 'message', this, how.request)
    this.#placement = new Placement(route, this.#segment, how.request.stallTimeout)
  }

  /** Puts the marker into the destination. `write` is how; what it throws is thrown. */
  write(write: (chunk: Buffer) => void): void {
    this.#placement.put(write)
  }

  /** If its turn has not come yet, it will send nothing. */
  cancel(): void {
    if (this.#segment.isWaiting) this.#segment.cancel()
  }

  /** The pipe that would tell when the destination closes is gone. */
  letGo(): void {
    this.#placement.watchDestination()
  }

  started(): void {
    this.#startedAt = performance.now()
    this.#placement.release()
  }

  progressed(bytes: number): void {
    this.#sender.segmentProgressed(this, bytes)
  }

  ended(end: RangeEnd): Error | undefined {
    this.#placement.release()
    try {
      return this.#sender.segmentEnded(this, end, performance.now() - this.#startedAt)
    } finally {
      this.piece.file.close()
    }
  }
}
