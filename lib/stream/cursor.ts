/** Which bytes of its file a piped stream sends next. */
import { type CachedFile, SMALL } from '../source/cached.ts'
import { OBSTACLE, type Obstacle, shortageOf } from '../errors/obstacle.ts'
import { closeNatively, type NativeFile, type Opened } from '../file/native-file.ts'
import { KIND } from '../native/codes.ts'
import type { FileStream } from '../node/readable.ts'
import type { SegmentRange } from './segment.ts'
import { statOrUndefined } from '../source/by-number.ts'
import { type Duplicated, duplicateOf, type Wish } from '../file/duplicate.ts'
import { nativeFile } from '../source/open.ts'
import type { StreamPosition } from './position.ts'

/** The remaining bytes of a file, with its current size. */
export interface Remainder {
  readonly file: NativeFile
  /** The offset of the next byte. */
  readonly offset: number
  /** Number of bytes up to the end of the file or of the stream. */
  readonly left: number
}

export class FileCursor {
  readonly #source: FileStream
  readonly #position: StreamPosition
  /** The open file, if the stream was given a path. */
  readonly #file: CachedFile | undefined
  /** The end of the last segment, the bytes that the stream had read by then, and the size of the file. */
  #reached: { readonly offset: number; readonly readByStream: number; readonly size: number } | undefined
  /** The end of the file or of the stream, as it was at the first segment. */
  #expected: number | undefined

  /** The result of a thread, which the next `open()` returns. */
  #ready: Remainder | Obstacle | undefined

  constructor(source: FileStream, position: StreamPosition, file: CachedFile | undefined) {
    this.#source = source
    this.#position = position
    this.#file = file
  }

  /** The size to read instead of `size`: for a small file its own size, because Node copies a chunk that is not filled. */
  fitting(size: number): number {
    const whole = Number(this.#file?.opened?.size ?? 0)
    return whole > 0 && whole <= SMALL ? Math.min(size, whole) : size
  }

  /** Whether nothing has been sent yet of a file that is known to have up to `small` bytes. Does not need a descriptor. */
  isKnownSmall(small: number): boolean {
    return this.#isSmall(this.#left(Number(this.#file?.opened?.size ?? 0), this.#source.pos ?? 0), small)
  }

  /**
   * Duplicates the descriptor for each segment, so that nothing the program does with the stream's number can redirect a
   * byte. Files of up to `small` bytes are read instead. Returns a promise if the server of a filesystem may have to be asked;
   * the next call then returns the result.
   */
  open(small: number): Remainder | Obstacle | Promise<void> {
    const ready = this.#ready
    this.#ready = undefined
    if (ready !== undefined) return ready
    const { fd, pos } = this.#source
    const known = this.#file?.opened
    const file = fd === null ? OBSTACLE.irregular : duplicateFile(fd, { known, withPosition: pos === undefined })
    if (!(file instanceof Promise)) return this.#remainder(file, small)
    return file.then((later) => {
      this.#ready = this.#remainder(later, small)
    })
  }

  /** Closes the result of a thread if it was not used. */
  release(): void {
    if (this.#ready !== undefined && 'file' in this.#ready) this.#ready.file.close()
    this.#ready = undefined
  }

  #remainder(file: NativeFile | Obstacle, small: number): Remainder | Obstacle {
    if ('code' in file) return file
    const offset = this.#source.pos ?? file.foundAt ?? 0
    const left = this.#left(Number(file.size), offset)
    const obstacle =
      file.size === undefined ? OBSTACLE.unsized : this.#isSmall(left, small) ? OBSTACLE.small : undefined
    if (obstacle !== undefined) file.close()
    else this.#expected ??= offset + Math.max(0, left)
    return obstacle ?? { file, offset, left }
  }

  #isSmall(left: number, small: number): boolean {
    return this.#expected === undefined && left > 0 && left <= small
  }

  #left(size: number, offset: number): number {
    return Math.min(size - offset, this.#wanted)
  }

  /** A segment has ended after `moved` bytes, and the figures of the stream include them. Closes its file. */
  moved({ offset, file }: SegmentRange, moved: number): void {
    const atOwnPosition = this.#source.pos === undefined
    const size = file.leave(atOwnPosition ? offset + moved : -1) ?? Number.POSITIVE_INFINITY
    this.#reached = { offset: offset + moved, readByStream: this.#position.readByStream, size }
  }

  /** The stream continues after a segment that has not been sent yet. */
  passed({ offset, length, file }: SegmentRange): void {
    if (this.#source.pos === undefined) file.position = offset + length
    const { readByStream } = this.#position
    this.#reached = { offset: offset + length, readByStream, size: Number.POSITIVE_INFINITY }
  }

  /** Whether the whole file had been sent when the last segment ended. Does not need a descriptor. */
  get isAtEnd(): boolean {
    if (this.#reached?.readByStream !== this.#position.readByStream || this.#source.fd === null) return false
    return this.#wanted <= 0 || this.#reached.offset >= this.#reached.size
  }

  /** Number of bytes that are missing compared to the size at the first segment; 0 if none are. */
  get missing(): number {
    if (this.#expected === undefined || this.#reached === undefined) return 0
    return Math.max(0, this.#expected - this.#reached.offset)
  }

  get #wanted(): number {
    return this.#source.end - this.#position.offset + 1
  }
}

/** Duplicates a regular file of the caller. Returns a promise if the server of a filesystem may have to be asked. */
function duplicateFile(fd: number, wish: Wish): NativeFile | Obstacle | Promise<NativeFile | Obstacle> {
  const duplicate = duplicateOf(fd, wish)
  return duplicate instanceof Promise ? duplicate.then((later) => fileOf(fd, later)) : fileOf(fd, duplicate)
}

function fileOf(fd: number, duplicate: Duplicated): NativeFile | Obstacle {
  if (typeof duplicate === 'number') return shortageOf(-duplicate) ?? fileOfFs(fd)
  if (duplicate === undefined) return fileOfFs(fd)
  return 'kind' in duplicate ? regular(duplicate) : OBSTACLE.virtual
}

function regular(opened: Opened): NativeFile | Obstacle {
  if (opened.kind === KIND.regular) return nativeFile(opened, undefined)
  closeNatively(opened.fd)
  return OBSTACLE.irregular
}

/** The obstacle for a descriptor that is not a file of the kernel. */
function fileOfFs(fd: number): Obstacle {
  return statOrUndefined(fd)?.isFile() === true ? OBSTACLE.virtual : OBSTACLE.irregular
}
