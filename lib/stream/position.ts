/**
 * How far a piped stream has come. The stream says so itself, in `bytesRead` and `pos`: stock reads move them, segments
 * move them here and nowhere else, and every other figure is asked of here.
 */
import type { FileStream } from '../node/readable.ts'

/** The figures of a stream that are public. */
type Figures = Pick<FileStream, 'bytesRead' | 'readableLength'> & { pos: number | undefined }

export class StreamPosition {
  /** The stream, or what it said when its transfer was over. */
  #stream: Figures
  /** Bytes that had left it before it was piped. */
  readonly #before: number
  /** Bytes of the segment under way that the stream counts as read. */
  #ofSegment = 0
  /** What the stream had read when {@link advance} was asked last. */
  #asked: number

  constructor(stream: FileStream) {
    this.#stream = stream
    this.#before = handedOn(stream)
    this.#asked = stream.bytesRead
  }

  /** Bytes that have left the stream since it was piped: read from the file, and not in its buffer. */
  get sent(): number {
    return handedOn(this.#stream) - this.#before
  }

  /** Bytes that the stream has read in all, or had sent by the kernel. */
  get readByStream(): number {
    return this.#stream.bytesRead
  }

  /** The byte that comes next: of the file, or counted from where the stream began if it reads at the file's position. */
  get offset(): number {
    return this.#stream.pos ?? this.#stream.bytesRead
  }

  /** How many bytes the stream has come on since this was asked before. */
  advance(): number {
    const { bytesRead } = this.#stream
    const advance = bytesRead - this.#asked
    this.#asked = bytesRead
    return advance
  }

  /** Another segment is on its way. */
  beginSegment(): void {
    this.#ofSegment = 0
  }

  /** `bytes` of the segment have left the stream. */
  reach(bytes: number): void {
    const stream = this.#stream
    stream.bytesRead += bytes - this.#ofSegment
    if (stream.pos !== undefined) stream.pos += bytes - this.#ofSegment
    this.#ofSegment = bytes
  }

  /** The figures no longer change. The stream is let go. */
  freeze(): void {
    const { bytesRead, readableLength, pos } = this.#stream
    this.#stream = { bytesRead, readableLength, pos }
  }
}

function handedOn({ bytesRead, readableLength }: Figures): number {
  return bytesRead - readableLength
}
