/** One segment of a piped stream: keeps its file open until it has ended. */
import type { RangeEnd } from '../executor/end.ts'
import type { NativeFile } from '../file/native-file.ts'
import type { Request } from '../options/sendfile.ts'
import { type MarkerRoute, Placement } from '../ordering/placement.ts'
import { FileSegment, type SegmentOwner } from '../ordering/segment.ts'

/** A range of an open file. */
export interface SegmentRange {
  /** Closed when the segment has ended. */
  readonly file: NativeFile
  /** In bytes from the start of the file. */
  readonly offset: number
  readonly length: number
}

/** The request to the engine. */
export interface SegmentOptions {
  /** A value of `ONLY` or `PREFER`. */
  readonly methods: number
  readonly request: Request
}

/** Receives the events of a segment. */
export interface SegmentSender {
  /** `bytes` of the segment have been moved so far. */
  segmentProgressed(segment: PipedSegment, bytes: number): void
  /** The segment has ended, `tookMs` after its turn started; its file is still open. Returns the error of the destination. */
  segmentEnded(segment: PipedSegment, end: RangeEnd, tookMs: number): Error | undefined
}

export class PipedSegment implements SegmentOwner {
  readonly range: SegmentRange
  readonly #sender: SegmentSender
  readonly #segment: FileSegment
  readonly #placement: Placement
  #startedAt = 0

  constructor(range: SegmentRange, options: SegmentOptions, route: MarkerRoute, sender: SegmentSender) {
    const { file, offset, length } = range
    this.range = range
    this.#sender = sender
    const kernelRange = { file, source: file, offset, count: length, ownPosition: false }
    this.#segment = new FileSegment(kernelRange, options.methods, route.by === 'message', this, options.request)
    this.#placement = new Placement(route, this.#segment, options.request.stallTimeout)
  }

  /** Writes the marker with `write`, and throws what it throws. */
  write(write: (chunk: Buffer) => void): void {
    this.#placement.put(write)
  }

  /** The destination has closed. */
  closed(): void {
    this.#segment.closed()
  }

  /** The stream was unpiped: watches the destination, which the pipe did before. */
  detach(): void {
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
      this.range.file.close()
    }
  }
}
