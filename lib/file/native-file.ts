/** A file that the addon holds open for us. */
import { environment, inspect, open } from '../executor/kernel.ts'
import type { Obstacle } from '../errors/obstacle.ts'
import { KIND, STATUS } from '../native/codes.ts'
import type { Bytes } from '../options/validate.ts'
import { descriptorStatus } from '../node/fs.ts'
import { switchedOff } from '../options/environment.ts'
import type { Identity } from '../executor/range.ts'
import { isNode, native } from '../native/load.ts'

/** Whether the addon may open and duplicate. Elsewhere `fs` cannot read what it has opened. */
export const opensSources = isNode && native !== undefined && switchedOff === undefined

/** What the addon has opened, and what it is. */
export interface Opened {
  /** The number: ours until {@link closeNatively}, unless it is a stream's own. */
  readonly fd: number
  /** A value of `KIND`. */
  readonly kind: number
  readonly size: Bytes
  readonly device: number
  readonly inode: number
  /** A value of `FILESYSTEM_KIND`. */
  readonly filesystem: number
  /** Of a duplicate: the file position, below 0 where there is none. */
  readonly position?: number | undefined
}

/** Where the addon puts a status: one array, so that opening a small file makes no object of the addon's. */
export const status = new Float64Array(STATUS.length)

/**
 * Opens a file without waiting for a disk or a server; a negative errno otherwise, -EAGAIN if somebody would have to be
 * asked.
 */
export function openCached(path: Buffer): Opened | number {
  return opened(environment().openCached(path, status))
}

/**
 * Duplicates a descriptor of the caller's; a negative errno if there is none, -EAGAIN if its filesystem is a remote one or
 * not known yet: see {@link duplicateOnThread}. `known`: what `openFileCached` has opened by this number.
 */
export function duplicate(fd: number, withPosition: boolean, known?: Identity): Opened | number {
  const copy = environment().adopt(fd, known?.device ?? -1, known?.inode ?? -1, withPosition, status)
  return copy < 0 ? copy : figuresOf(copy, status[STATUS.position])
}

/** Which file a descriptor of the caller's stands for now; no server is asked. `undefined` if it is not open. */
export function identify(fd: number): Identity | undefined {
  if (environment().identify(fd, status) < 0) return undefined
  return { device: figure(STATUS.device), inode: figure(STATUS.inode) }
}

/** Opens a file on a thread that may wait for the disk; a negative errno where that failed. */
export async function openOnThread(path: Buffer): Promise<Opened | number> {
  return take(await open(path))
}

/** Duplicates a descriptor now, and has a thread that may wait for a server look at it; a negative errno otherwise. */
export async function duplicateOnThread(fd: number): Promise<Opened | number> {
  return take(await inspect(fd))
}

function take(id: number): Opened | number {
  if (id < 0) return id
  const fd = environment().takeOpened(id, status)
  return fd < 0 ? fd : figuresOf(fd, status[STATUS.position])
}

/** Lets go of the number; transfers that run keep the file open. */
export function closeNatively(fd: number): void {
  environment().close(fd)
}

function opened(fd: number): Opened | number {
  return fd < 0 ? fd : figuresOf(fd)
}

/** What stands in {@link status}, of the descriptor that the addon has just told. */
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

function figure(place: number): number {
  return status[place] ?? 0
}

/** One double is exact up to 2^53 only. */
function bytesOf(size: number, rest: number): Bytes {
  return size <= Number.MAX_SAFE_INTEGER && rest === 0 ? size : BigInt(size) + BigInt(rest)
}

/** What the addon has duplicated to send to: ours until `start` takes it or {@link closeNatively}. */
export interface Adopted {
  readonly fd: number
  readonly kind: number
  readonly size: Bytes
  readonly device: number
  readonly inode: number
  readonly writable: boolean
  readonly appends: boolean
}

/** Duplicates a descriptor of the caller's to send to; a negative errno if there is none. */
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

/** The file position of what the addon holds, in bytes; below 0 where there is none. */
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
  /** Of a duplicate: where its file position was. */
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
   * Closes it, with the file position at `position` unless that is below 0. Returns the size that it has now, `undefined`
   * where nobody can tell.
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
