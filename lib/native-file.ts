/** A file that the addon holds open for us. */
import { environment, open } from './kernel.ts'
import type { Bytes } from './options.ts'

/** What fstat(2) says. Inexact above 2^53, as `fs.Stats`. */
export interface FileStatus {
  /** One of {@link KIND}. */
  readonly kind: number
  readonly size: number
  readonly device: number
  readonly inode: number
}

/** The kinds of crates/binding/src/files.rs. */
export const KIND = { regular: 0, directory: 1 } as const

/** Where the addon puts a status: one array, so that opening a small file makes no object of the addon's. */
const scratch = new Float64Array(4)

export class NativeFile implements FileStatus {
  readonly kind: number
  readonly size: number
  readonly device: number
  readonly inode: number
  /** The number: ours until {@link close}. */
  readonly fd: number
  #open = true

  private constructor(fd: number) {
    this.fd = fd
    const [kind = 0, size = 0, device = 0, inode = 0] = scratch
    this.kind = kind
    this.size = size
    this.device = device
    this.inode = inode
  }

  /** Opens a file without waiting for a disk; a negative errno otherwise, -EAGAIN if a disk would have to be asked. */
  static openCached(path: Buffer): NativeFile | number {
    return NativeFile.#of(environment().openCached(path, scratch))
  }

  /** Duplicates a descriptor of the caller's; a negative errno if there is none. */
  static adopt(fd: number): NativeFile | number {
    return NativeFile.#of(environment().adopt(fd, scratch))
  }

  /** Opens a file on a thread that may wait for the disk; a negative errno where that failed. */
  static async open(path: Buffer): Promise<NativeFile | number> {
    const id = await open(path)
    return id < 0 ? id : NativeFile.#of(environment().takeOpened(id, scratch))
  }

  static #of(fd: number): NativeFile | number {
    return fd < 0 ? fd : new NativeFile(fd)
  }

  /** The file position, in bytes. */
  get position(): Bytes {
    return environment().position(this.fd)
  }

  set position(offset: Bytes) {
    environment().setPosition(this.fd, offset)
  }

  /** Transfers that run keep it open. */
  close(): void {
    if (!this.#open) return
    this.#open = false
    environment().close(this.fd)
  }
}
