/** What `fs` reports about an open descriptor, for use without the addon. */
import fs from 'node:fs'

import { native } from '../native/load.ts'
import { type Bytes, narrow } from '../options/validate.ts'
import { readsOwn } from './unpatched.ts'

/** The state of an open file description. */
export interface DescriptorStatus {
  /** The file position, in bytes. */
  readonly position: Bytes
  readonly readable: boolean
  readonly writable: boolean
  /** Every write goes to the end of the file. */
  readonly appends: boolean
  /** The number of its mount in proc_pid_mountinfo(5). */
  readonly mount: number | undefined
  /** Linux 5.14. */
  readonly inode: string | undefined
}

/** O_ACCMODE and O_PATH of asm-generic/fcntl.h; `fs.constants` lacks them. */
const O_ACCMODE = 3
const O_PATH = 0o10000000
const { O_RDONLY, O_WRONLY, O_APPEND } = fs.constants
/** The size of a read that moves a position. */
const STRIDE = 1 << 20

/** `fs.fstat` as a promise. A thread of the pool may wait for a server. */
export function statLater(fd: number): Promise<fs.Stats> {
  return new Promise((resolve, reject) => {
    fs.fstat(fd, (error, stats) => (error === null ? resolve(stats) : reject(error)))
  })
}

/** Closes a descriptor on a thread of the pool, because the server may be this process. Never rejects. */
export function closeLater(fd: number): Promise<void> {
  return new Promise((resolve) => {
    fs.close(fd, () => resolve())
  })
}

/** The state of a descriptor from proc_pid_fdinfo(5); `undefined` if that does not exist. */
export function descriptorStatus(fd: number): DescriptorStatus | undefined {
  let text: string
  try {
    text = fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1')
  } catch {
    return undefined // another system, or /proc is not accessible
  }
  const position = /^pos:\s+(\d+)$/m.exec(text)?.[1]
  const octal = /^flags:\s+([0-7]+)$/m.exec(text)?.[1]
  if (position === undefined || octal === undefined) return undefined
  const flags = Number.parseInt(octal, 8)
  const isOpen = (flags & O_PATH) === 0
  const readable = (flags & O_ACCMODE) !== O_WRONLY && isOpen
  const writable = (flags & O_ACCMODE) !== O_RDONLY && isOpen
  const mount = /^mnt_id:\s+(\d+)$/m.exec(text)?.[1]
  const inode = /^ino:\s+(\d+)$/m.exec(text)?.[1]
  return {
    position: narrow(BigInt(position)),
    readable,
    writable,
    appends: (flags & O_APPEND) !== 0,
    mount: mount === undefined ? undefined : Number(mount),
    inode,
  }
}

/**
 * Moves the position of a file forward. Node has no lseek(2), so the bytes are read once more. Never rejects, because the
 * position of a descriptor that has been closed meanwhile does not matter.
 */
export async function movePosition(fd: number, bytes: Bytes): Promise<void> {
  const scratch = Buffer.allocUnsafeSlow(Number(bytes) < STRIDE ? Number(bytes) : STRIDE)
  for (let left = BigInt(bytes); left > 0n;) {
    const bytesRead = await readInto(scratch, fd, left < STRIDE ? Number(left) : STRIDE, null).catch(() => 0)
    if (bytesRead === 0) return
    left -= BigInt(bytesRead)
  }
}

/** The callback of `fs.read`. */
export type WhenRead = (error: Error | null, bytes: number) => void

/** `fs.read`. libuv retries every call except read(2) after EINTR (uv__fs_work, src/unix/fs.c), so it is retried here. */
export function readAt(buffer: Buffer, fd: number, size: number, position: Bytes | null, whenRead: WhenRead): void {
  fs.read(fd, buffer, 0, size, position, (error, bytes) => {
    if (error?.code === 'EINTR') readAt(buffer, fd, size, position, whenRead)
    else whenRead(error, bytes)
  })
}

/**
 * Reads bytes of a local file that are in memory; below 0 if that could wait. `position` below 0: the file's own position.
 * preadv2(2), RWF_NOWAIT.
 */
export function readAtOnce(fd: number, buffer: Buffer, position: number): number {
  return readsOwn() ? (native?.readCached(fd, buffer, position) ?? -1) : -1
}

/** The same as {@link readAt}, with a promise. */
export function readInto(buffer: Buffer, fd: number, size: number, position: Bytes | null): Promise<number> {
  return new Promise((resolve, reject) => {
    readAt(buffer, fd, size, position, (error, bytes) => (error === null ? resolve(bytes) : reject(error)))
  })
}
