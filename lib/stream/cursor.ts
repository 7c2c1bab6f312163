/** Which bytes of its file a stream has to send next. */
import { constants } from 'node:os'

import { type CachedFile, SMALL } from '../source/cached.ts'
import { OBSTACLE, type Obstacle, shortageOf } from '../errors/obstacle.ts'
import { closeNatively, duplicate, duplicateOnThread, type NativeFile, type Opened } from '../native/file.ts'
import { KIND } from '../native/codes.ts'
import { statsOwn } from '../node/unpatched.ts'
import type { FileStream } from '../node/readable.ts'
import type { Piece } from './segment.ts'
import { isNamedBy, isSameFile, isSameFileLater } from '../source/same-file.ts'
import { type Identity, nativeFile, opensSources, statOrUndefined } from '../source/open.ts'
import type { StreamPosition } from './position.ts'

const { EAGAIN } = constants.errno

/** The rest of a file as it is now. */
export interface Rest {
  readonly file: NativeFile
  /** Where to go on, in bytes from the start of the file. */
  readonly offset: number
  /** Bytes up to where the file or the stream ends. */
  readonly left: number
}

export class FilePieces {
  readonly #source: FileStream
  readonly #position: StreamPosition
  /** Where the stream has opened a path. */
  readonly #file: CachedFile | undefined
  /** The end of the last segment, what the stream had read by then, and how large the file was. */
  #reached: { readonly offset: number; readonly readByStream: number; readonly size: number } | undefined
  /** The end of the file or of the stream, as it was at the first segment. */
  #expected: number | undefined

  /** What a thread has looked at: the next `open` tells it. */
  #ready: Rest | Obstacle | undefined

  constructor(source: FileStream, position: StreamPosition, file: CachedFile | undefined) {
    this.#source = source
    this.#position = position
    this.#file = file
  }

  /** How much to read instead of `size` bytes: for a small file its own size, as a chunk that is not filled is copied. */
  fitting(size: number): number {
    const whole = this.#file?.opened?.size ?? 0
    return whole > 0 && whole <= SMALL ? Math.min(size, whole) : size
  }

  /**
   * A descriptor of our own for each segment: what the user does to the stream's number cannot redirect a byte. At most
   * `small` bytes in all are not worth one. A promise: a server may have to be asked, and the next call answers.
   */
  open(small: number): Rest | Obstacle | Promise<void> {
    const ready = this.#ready
    this.#ready = undefined
    if (ready !== undefined) return ready
    const { fd, pos } = this.#source
    const known = this.#file?.opened
    if (this.#isSmall(this.#left(known?.size ?? 0, pos ?? 0), small)) return OBSTACLE.small
    const file = fd === null ? OBSTACLE.irregular : duplicateFile(fd, known)
    if (!(file instanceof Promise)) return this.#rest(file, small)
    return file.then((found) => {
      this.#ready = this.#rest(found, small)
    })
  }

  /** Closes what a thread has looked at and nobody wanted any more. */
  release(): void {
    if (this.#ready !== undefined && 'file' in this.#ready) this.#ready.file.close()
    this.#ready = undefined
  }

  #rest(file: NativeFile | Obstacle, small: number): Rest | Obstacle {
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

  /** A segment has moved `moved` bytes, and the stream's figures say so: its file is closed. */
  moved({ offset, file }: Piece, moved: number): void {
    const atOwnPosition = this.#source.pos === undefined
    const size = file.leave(atOwnPosition ? offset + moved : -1) ?? Number.POSITIVE_INFINITY
    this.#reached = { offset: offset + moved, readByStream: this.#position.readByStream, size }
  }

  /** The stream goes on behind a segment that has not been sent yet. */
  passed({ offset, length, file }: Piece): void {
    if (this.#source.pos === undefined) file.position = offset + length
    const { readByStream } = this.#position
    this.#reached = { offset: offset + length, readByStream, size: Number.POSITIVE_INFINITY }
  }

  /** Whether everything had been sent when the last segment ended. Needs no descriptor. */
  get isAtEnd(): boolean {
    if (this.#reached?.readByStream !== this.#position.readByStream || this.#source.fd === null) return false
    return this.#wanted <= 0 || this.#reached.offset >= this.#reached.size
  }

  /** How many bytes fewer there were than at the first segment; 0 if none are missing. */
  get missing(): number {
    if (this.#expected === undefined || this.#reached === undefined) return 0
    return Math.max(0, this.#expected - this.#reached.offset)
  }

  get #wanted(): number {
    return this.#source.end - this.#position.offset + 1
  }
}

/**
 * A duplicate of a regular file of the caller's, made now. `known`: the file that we have opened by this number, for which
 * `fs` need not be asked again. A promise where a server may have to be asked what it is.
 */
function duplicateFile(
  fd: number,
  known: Identity | undefined,
): NativeFile | Obstacle | Promise<NativeFile | Obstacle> {
  const opened = opensSources ? duplicate(fd, known) : 0
  if (opened === -EAGAIN) return duplicateLater(fd)
  if (typeof opened === 'number') return shortageOf(-opened) ?? fileOfFs(fd)
  const isKnown = opened.device === known?.device && opened.inode === known.inode
  return isKnown || isSameFile(opened, fd) ? regular(opened) : refused(opened, fileOfFs(fd))
}

async function duplicateLater(fd: number): Promise<NativeFile | Obstacle> {
  const theirs = statsOwn() ? undefined : statOrUndefined(fd)
  const opened = await duplicateOnThread(fd)
  if (typeof opened === 'number') return shortageOf(-opened) ?? OBSTACLE.irregular
  const isSame = theirs === undefined ? await isSameFileLater(opened) : isNamedBy(opened, theirs)
  return isSame ? regular(opened) : refused(opened, OBSTACLE.virtual)
}

function regular(opened: Opened): NativeFile | Obstacle {
  return opened.kind === KIND.regular ? nativeFile(opened, undefined) : refused(opened, OBSTACLE.irregular)
}

function refused({ fd }: Opened, obstacle: Obstacle): Obstacle {
  closeNatively(fd)
  return obstacle
}

/** What the kernel does not know as a file. */
function fileOfFs(fd: number): Obstacle {
  return statOrUndefined(fd)?.isFile() === true ? OBSTACLE.virtual : OBSTACLE.irregular
}
