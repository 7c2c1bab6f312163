/** Files that the addon opens and duplicates, and what it reports about them. */
import { environment, inspect, open } from '../executor/kernel.ts'
import type { Obstacle } from '../errors/obstacle.ts'
import { KIND, STATUS } from '../native/codes.ts'
import type { Bytes } from '../options/validate.ts'
import { descriptorStatus } from '../node/fs.ts'
import { switchedOff } from '../options/environment.ts'
import type { Identity } from '../executor/range.ts'
import { isNode, native } from '../native/load.ts'

/** Whether the addon may open and duplicate files. In other runtimes, `fs` cannot read descriptors of the addon. */
export const opensSources = isNode && native !== undefined && switchedOff === undefined

/** A descriptor that the addon has opened or duplicated, and its status. */
export interface Opened {
  /** Open until {@link closeNatively}, unless it belongs to a stream. */
  readonly fd: number
  /** A value of `KIND`. */
  readonly kind: number
  readonly size: Bytes
  readonly device: number
  readonly inode: number
  /** A value of `FILESYSTEM_KIND`. */
  readonly filesystem: number
  /** The file position of a duplicate; below 0 if there is none. */
  readonly position?: number | undefined
}

/** The addon writes a status here, so that opening a small file does not create an object in the addon. */
export const status = new Float64Array(STATUS.length)

/**
 * Opens a file without waiting for a disk or a server. Returns a negative errno on failure: -EAGAIN if it would have to wait.
 */
export function openCached(path: Buffer): Opened | number {
  return opened(environment().openCached(path, status))
}

/**
 * Duplicates a descriptor of the caller. Returns a negative errno on failure: -EAGAIN if its filesystem is remote or not known
 * yet (see {@link duplicateOnThread}). `known` is the file that `openFileCached` has opened with this number.
 */
export function duplicate(fd: number, withPosition: boolean, known?: Identity): Opened | number {
  const copy = environment().adopt(fd, known?.device ?? -1, known?.inode ?? -1, withPosition, status)
  return copy < 0 ? copy : figuresOf(copy, status[STATUS.position])
}

/** The file that a descriptor of the caller refers to now, without asking a server; `undefined` if it is not open. */
export function identify(fd: number): Identity | undefined {
  if (environment().identify(fd, status) < 0) return undefined
  return { device: figure(STATUS.device), inode: figure(STATUS.inode) }
}

/** Opens a file on a thread that may wait for the disk. Resolves with a negative errno on failure. */
export async function openOnThread(path: Buffer): Promise<Opened | number> {
  return take(await open(path))
}

/** Duplicates a descriptor now, and inspects it on a thread that may wait for a server. Resolves with a negative errno on failure. */
export async function duplicateOnThread(fd: number): Promise<Opened | number> {
  return take(await inspect(fd))
}

function take(id: number): Opened | number {
  if (id < 0) return id
  const fd = environment().takeOpened(id, status)
  return fd < 0 ? fd : figuresOf(fd, status[STATUS.position])
}

/** Closes a descriptor of the addon; running transfers keep the file open. */
export function closeNatively(fd: number): void {
  environment().close(fd)
}

function opened(fd: number): Opened | number {
  return fd < 0 ? fd : figuresOf(fd)
}

/** The contents of {@link status}, for the descriptor that the addon has just returned. */
export function figuresOf(fd: number, position?: number): Opened {
  return {
    fd,
    kind: figure(STATUS.kind),
    size: bytesOf(figure(STATUS.size), figure(STATUS.sizeRest)),
    device: figure(STATUS.device),
    inode: figure(STATUS.inode),
    filesystem: figure(STATUS.filesystem),
    position,
  }
}

function figure(index: number): number {
  return status[index] ?? 0
}

/** A double is exact up to 2^53 only; `rest` is what exceeds that. */
function bytesOf(size: number, rest: number): Bytes {
  return size <= Number.MAX_SAFE_INTEGER && rest === 0 ? size : BigInt(size) + BigInt(rest)
}

/** A duplicated destination. It belongs to the caller of {@link duplicateToSendTo} until `start` takes it or {@link closeNatively}. */
export interface Adopted {
  readonly fd: number
  readonly kind: number
  readonly size: Bytes
  readonly device: number
  readonly inode: number
  readonly writable: boolean
  readonly appends: boolean
}

/** Duplicates a descriptor of the caller as a destination. Returns a negative errno on failure. */
export function duplicateToSendTo(number: number): Adopted | number {
  const fd = environment().adoptDestination(number, status)
  if (fd < 0) return fd
  const { kind, size, device, inode } = figuresOf(fd)
  return {
    fd,
    kind,
    size,
    device,
    inode,
    writable: figure(STATUS.writable) === 1,
    appends: figure(STATUS.appends) === 1,
  }
}

/** The file position of a descriptor of the addon, in bytes; below 0 if there is none. */
export function positionOf(fd: number): Bytes {
  return environment().position(fd)
}

/** A file or device that the kernel can read. */
export class NativeFile {
  readonly fd: number
  readonly size: Bytes | undefined
  readonly path: string | undefined
  readonly identity: Identity | undefined
  readonly remote: Obstacle | undefined
  /** The file position of a duplicate when it was made. */
  readonly foundAt: number | undefined
  #open = true

  constructor(opened: Opened, size: Bytes | undefined, path: string | undefined, remote: Obstacle | undefined) {
    const { fd, kind, device, inode } = opened
    this.fd = fd
    this.size = size
    this.path = path
    this.identity = kind === KIND.regular ? { device, inode } : undefined
    this.remote = remote
    this.foundAt = opened.position
  }

  get native(): this {
    return this
  }

  /** The file position, in bytes; 0 for a device that has none (lseek(2), ESPIPE). */
  get position(): Bytes {
    // lseek(2) waits while another thread reads from a server at this position (fs/file.c, fdget_pos).
    const remote = this.remote === undefined ? undefined : descriptorStatus(this.fd)?.position
    const position = remote ?? positionOf(this.fd)
    return position < 0 ? 0 : position
  }

  set position(offset: Bytes) {
    environment().setPosition(this.fd, offset)
  }

  /**
   * Moves the file position to `position`, unless that is below 0, and closes the file. Returns its current size; `undefined`
   * if it is unknown.
   */
  leave(position: number): number | undefined {
    if (!this.#open) return undefined
    this.#open = false
    const size = environment().leave(this.fd, position)
    return size < 0 ? undefined : size
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    closeNatively(this.fd)
  }
}
