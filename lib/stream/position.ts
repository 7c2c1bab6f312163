/**
 * The position of a piped stream, in `bytesRead` and `pos` of the stream. Stock reads move them; for segments, only this
 * module does. Every other figure is derived from them here.
 */
import type { FileStream } from '../node/readable.ts'

/** The public figures of a stream. */
type Figures = Pick<FileStream, 'bytesRead' | 'readableLength'> & { pos: number | undefined }

export class StreamPosition {
  /** The stream, or its figures at the end of the transfer. */
  #stream: Figures
  /** Bytes that had left it before it was piped. */
  readonly #before: number
  /** Bytes of the current segment that the stream counts as read. */
  #ofSegment = 0
  /** The bytes that the stream had read at the last call of {@link advance}. */
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

  /** Bytes that the stream has read, or that the kernel has sent for it. */
  get readByStream(): number {
    return this.#stream.bytesRead
  }

  /** The offset of the next byte in the file, or relative to the start of a stream that reads at the file's position. */
  get offset(): number {
    return this.#stream.pos ?? this.#stream.bytesRead
  }

  /** Number of bytes that the stream has advanced since the previous call. */
  advance(): number {
    const { bytesRead } = this.#stream
    const advance = bytesRead - this.#asked
    this.#asked = bytesRead
    return advance
  }

  /** A new segment starts. */
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

  /** Keeps the figures and releases the stream. */
  freeze(): void {
    const { bytesRead, readableLength, pos } = this.#stream
    this.#stream = { bytesRead, readableLength, pos }
  }
}

function handedOn({ bytesRead, readableLength }: Figures): number {
  return bytesRead - readableLength
}
