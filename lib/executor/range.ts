/** The range of an open file that an executor moves. */
import type { Obstacle } from '../errors/obstacle.ts'
import type { Bytes } from '../options/validate.ts'
import type { Stop } from '../wait/stop.ts'

/** A range of an open file. */
export interface Range {
  readonly file: OpenFile
  /** The first byte; the source's own position if `ownPosition`. */
  readonly offset: Bytes
  readonly ownPosition: boolean
  /** The position is unknown: `offset` counts from it, and reading moves it. */
  readonly positionUnknown?: boolean
  /** `undefined`: until the file ends. */
  readonly count: Bytes | undefined
}

/** A file that the addon holds open. */
export interface KernelFile {
  /** The number by which the engine reads it. */
  readonly fd: number
  /** The file position, in bytes. */
  position: Bytes
}

/** An open source. `close()` must be called once it is no longer needed; running transfers keep it open. */
export interface OpenFile {
  /** For `fs.read` in the portable executor. */
  readonly fd: number
  /** The file that the kernel can read; `undefined` if it cannot. */
  readonly native: KernelFile | undefined
  /** In bytes; `undefined` if it is only known at the end. */
  readonly size: Bytes | undefined
  readonly path: string | undefined
  /** Identifies a regular file on this machine. */
  readonly identity: Identity | undefined
  /** The reason why `auto` copies a file that the kernel can read. */
  readonly remote?: Obstacle | undefined
  /** Replaces `fs.read` for a source without offsets; resolves with an empty buffer at the end. */
  readonly read?: ((size: number, stop: Stop) => Promise<Buffer>) | undefined
  close(): void | Promise<void>
}

/** Two descriptors with the same figures are the same file. */
export interface Identity {
  readonly device: number
  readonly inode: number
}
