/** Which bytes of its file a stream has to send next. */
import fs from 'node:fs'

import type { Obstacle } from './marker.ts'
import type { NativeFile } from './native-file.ts'
import type { FileStream } from './node-streams.ts'
import type { Piece } from './piped-segment.ts'
import { FILESYSTEM, openFile, UNSIZED } from './source.ts'

/** Found between two steps; the next read of the stream says it in Node's words. */
const UNREADABLE: Obstacle = { code: 'FILESYSTEM', reason: 'the descriptor is of no regular file' }

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
  /** The end of the last segment, and what the stream had read by then. */
  #reached: { readonly offset: number; readonly bytesRead: number } | undefined
  /** The end of the file or of the stream, as it was at the first segment. */
  #expected: number | undefined

  constructor(source: FileStream) {
    this.#source = source
  }

  /** A descriptor of our own for each segment: what the user does to the stream's number cannot redirect a byte. */
  open(): Rest | Obstacle {
    const { fd } = this.#source
    if (fd === null || !isFile(fd)) return UNREADABLE
    const native = adopt(fd)
    if (native === undefined) return FILESYSTEM
    const offset = this.#source.pos ?? Number(native.position)
    const { size } = native
    if (size === undefined) {
      native.close()
      return UNSIZED
    }
    const left = Math.min(Number(size) - offset, this.#wanted)
    this.#expected ??= offset + Math.max(0, left)
    return { file: native, offset, left }
  }

  /** A segment has moved `moved` bytes, and the stream's figures say so. */
  moved({ offset, file }: Piece, moved: number): void {
    const reached = offset + moved
    if (this.#source.pos === undefined) file.position = reached
    this.#reached = { offset: reached, bytesRead: this.#source.bytesRead }
  }

  /** Whether everything has been sent and the file has not grown since. Needs no descriptor. */
  get isAtEnd(): boolean {
    const { fd, bytesRead } = this.#source
    if (this.#reached?.bytesRead !== bytesRead || fd === null) return false
    return this.#wanted <= 0 || this.#reached.offset >= sizeOf(fd)
  }

  /** How many bytes fewer there were than at the first segment; 0 if none are missing. */
  get missing(): number {
    return Math.max(0, (this.#expected ?? 0) - (this.#reached?.offset ?? 0))
  }

  get #wanted(): number {
    const { pos, end, bytesRead } = this.#source
    return end - (pos ?? bytesRead) + 1
  }
}

function adopt(fd: number): NativeFile | undefined {
  try {
    const file = openFile({ kind: 'fd', fd }, undefined)
    if (file instanceof Promise) return undefined
    if (file.native === undefined) file.close()
    return file.native
  } catch {
    return undefined
  }
}

/** A FIFO or terminal must not be opened once more for nothing. */
function isFile(fd: number): boolean {
  try {
    return fs.fstatSync(fd).isFile()
  } catch {
    return false
  }
}

function sizeOf(fd: number): number {
  try {
    return fs.fstatSync(fd).size
  } catch {
    return Number.POSITIVE_INFINITY
  }
}
