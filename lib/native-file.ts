/** A file that the addon holds open for us. */
import { environment, open } from './kernel.ts'
import type { Bytes } from './options.ts'

/** What the addon has opened, and what fstat(2) says of it. Figures are inexact above 2^53, as in `fs.Stats`. */
export interface Opened {
  /** The number: ours until {@link closeNatively}. */
  readonly fd: number
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

/** Opens a file without waiting for a disk; a negative errno otherwise, -EAGAIN if a disk would have to be asked. */
export function openCached(path: Buffer): Opened | number {
  return opened(environment().openCached(path, scratch))
}

/** Duplicates a descriptor of the caller's; a negative errno if there is none. */
export function duplicate(fd: number): Opened | number {
  return opened(environment().adopt(fd, scratch))
}

/** Opens a file on a thread that may wait for the disk; a negative errno where that failed. */
export async function openOnThread(path: Buffer): Promise<Opened | number> {
  const id = await open(path)
  return id < 0 ? id : opened(environment().takeOpened(id, scratch))
}

/** Lets go of the number; transfers that run keep the file open. */
export function closeNatively(fd: number): void {
  environment().close(fd)
}

function opened(fd: number): Opened | number {
  if (fd < 0) return fd
  const [kind = 0, size = 0, device = 0, inode = 0] = scratch
  return { fd, kind, size, device, inode }
}

/** A regular file that the kernel can read. */
export class NativeFile {
  readonly fd: number
  readonly size: Bytes
  readonly path: string | undefined
  #open = true

  constructor(fd: number, size: Bytes, path: string | undefined) {
    this.fd = fd
    this.size = size
    this.path = path
  }

  get native(): this {
    return this
  }

  /** The file position, in bytes. */
  get position(): Bytes {
    return environment().position(this.fd)
  }

  set position(offset: Bytes) {
    environment().setPosition(this.fd, offset)
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    closeNatively(this.fd)
  }
}
