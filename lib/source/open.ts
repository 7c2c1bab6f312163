/** Opens a path, URL, FileHandle or descriptor number, and determines its size. */
import fs from 'node:fs'
import { constants } from 'node:os'
import tty from 'node:tty'

import { isNode, native } from '../native/load.ts'
import { descriptorStatus } from '../node/fs.ts'
import { systemError, unsupported } from '../errors/sendfile-error.ts'
import { OBSTACLE, type Obstacle, shortageOf } from '../errors/obstacle.ts'
import {
  closeNatively,
  duplicate,
  duplicateOnThread,
  NativeFile,
  openCached,
  type Opened,
  openOnThread,
} from '../native/file.ts'
import { FILESYSTEM_KIND, KIND } from '../native/codes.ts'
import type { Bytes } from '../options/validate.ts'
import { opensOwn, statsOwn } from '../node/unpatched.ts'
import { switchedOff } from '../options/environment.ts'
import type { ParsedSource } from './parse.ts'
import { isNamedBy, isSameFile, isSameFileLater } from './same-file.ts'
import type { Stop } from '../wait/stop.ts'
import { reopen, StreamSource } from './pipe.ts'

/** An open source. `close()` must be called once it is no longer needed; running transfers keep it open. */
export interface OpenFile {
  /** For `fs.read` in the portable executor. */
  readonly fd: number
  /** Where the kernel can read it. */
  readonly native: NativeFile | undefined
  /** In bytes; `undefined` where it is only known at the end. */
  readonly size: Bytes | undefined
  readonly path: string | undefined
  /** What names a regular file on this machine. */
  readonly identity: Identity | undefined
  /** Why `auto` copies although the kernel can read it. */
  readonly remote?: Obstacle | undefined
  /** Reads what has no offsets, instead of `fs.read`; an empty buffer at the end. */
  readonly read?: ((size: number, stop: Stop) => Promise<Buffer>) | undefined
  close(): void | Promise<void>
}

/** Two descriptors with the same figures are the same file. */
export interface Identity {
  readonly device: number
  readonly inode: number
}

const { EAGAIN, EBADF, EISDIR } = constants.errno

/** Whether the addon may open and duplicate. Elsewhere `fs` cannot read what it has opened. */
export const opensSources = isNode && native !== undefined && switchedOff === undefined

/**
 * Opens the source. Synchronous where no disk has to be asked, so that the length is known in the same tick. `limit`: how
 * many bytes will be asked for, at most.
 * @throws {SendfileError} and Node's own errors of `fs.open`
 */
export function openFile(source: ParsedSource, limit: Bytes | undefined): OpenFile | Promise<OpenFile> {
  if (source.kind === 'fd') return adopt(source.fd, limit)
  const shown = source.path
  if (!opensNatively()) return openByNode(shown, limit)
  const path = typeof shown === 'string' ? Buffer.from(shown) : shown
  const opened = openCached(path)
  if (typeof opened === 'number') {
    // Otherwise for Node's own error, and for files only Node knows.
    return opened === -EAGAIN ? openUncached(path, shown, limit) : openByNode(shown, limit)
  }
  if (isSameFile(opened)) return fromNative(opened, shown, limit)
  closeNatively(opened.fd)
  return openByNode(shown, limit)
}

/**
 * Only while nobody stands between `fs` and the file system: the permission model, or a replaced `fs.open` (mock file
 * systems, packed apps).
 */
export function opensNatively(): boolean {
  return opensSources && opensOwn() && !('permission' in process)
}

async function openUncached(path: Buffer, shown: string | Buffer, limit: Bytes | undefined): Promise<OpenFile> {
  const opened = await openOnThread(path)
  if (typeof opened === 'number') return openByNode(shown, limit)
  if (await isSameFileLater(opened)) return fromNative(opened, shown, limit)
  closeNatively(opened.fd)
  return openByNode(shown, limit)
}

export function statOrUndefined(fd: number): fs.Stats | undefined {
  try {
    return fs.fstatSync(fd)
  } catch {
    return undefined
  }
}

/** What the addon has opened, if its kind can be sent. `limit`: how many bytes will be asked for, at most. */
function fromNative(opened: Opened, path: string | Buffer | undefined, limit: Bytes | undefined): OpenFile {
  const shown = path?.toString()
  const { kind, fd } = opened
  switch (kind) {
    case KIND.regular:
      return nativeFile(opened, shown)
    case KIND.characterDevice:
    case KIND.blockDevice:
      return new NativeFile(opened, undefined, shown, undefined)
    case KIND.fifo:
    case KIND.terminal:
      try {
        return streamed(reopen(fd, 'read'), kind === KIND.terminal, shown, limit)
      } finally {
        closeNatively(fd)
      }
    default:
      closeNatively(fd)
      throw notSendable(kind === KIND.directory, shown)
  }
}

/** A regular file that the addon has opened or duplicated. */
export function nativeFile(opened: Opened, path: string | undefined): NativeFile {
  const remote = opened.filesystem === FILESYSTEM_KIND.remote ? OBSTACLE.remote : undefined
  return new NativeFile(opened, sizeOf(opened), path, remote)
}

function streamed(fd: number, isTerminal: boolean, path: string | undefined, limit: Bytes | undefined): OpenFile {
  const most = limit === undefined ? Infinity : Number(limit)
  // Who has it open already, has had a writer; open(2) of a FIFO by its path waits for one.
  const source = new StreamSource(fd, { isTerminal, waitsForWriter: path !== undefined }, most)
  const read = (size: number, stop: Stop): Promise<Buffer> => source.read(size, stop)
  return { fd, native: undefined, size: undefined, path, identity: undefined, read, close: () => source.close() }
}

/** Files that the kernel makes up as they are read say 0 or a page. Sparse files may be larger than a number can say. */
function sizeOf({ fd, size, filesystem }: Opened): Bytes | undefined {
  if (filesystem === FILESYSTEM_KIND.pseudo) return undefined
  return size <= Number.MAX_SAFE_INTEGER ? size : fs.fstatSync(fd, { bigint: true }).size
}

function notSendable(directory: boolean, path: string | undefined): Error {
  if (directory) return systemError(-EISDIR, 'read', undefined, path)
  const what = path === undefined ? 'This descriptor' : `'${path}'`
  return unsupported(`${what} cannot be used as a source: expected a file, device, pipe or terminal`)
}

/** Through `fs`, so that whoever stands behind it has its say. O_NONBLOCK: a FIFO must not park a thread of the pool. */
async function openByNode(path: string | Buffer, limit: Bytes | undefined): Promise<OpenFile> {
  const { O_RDONLY, O_NONBLOCK = 0 } = fs.constants
  const fd = await new Promise<number>((resolve, reject) => {
    fs.open(path, O_RDONLY | O_NONBLOCK, (error, opened) => (error === null ? resolve(opened) : reject(error)))
  })
  // On a thread: whoever serves the filesystem may be this process. A promise must not be settled before.
  const closeFd = (): Promise<void> => new Promise((resolve) => fs.close(fd, () => resolve()))
  try {
    const shown = path.toString()
    const opened = await duplicateOf(fd, shown)
    // With the addon, only files of whoever has replaced functions of `fs` come here.
    const stats = (): fs.Stats | Promise<fs.Stats> => (opensSources ? fs.fstatSync(fd) : statLater(fd))
    const file =
      opened !== undefined && 'kind' in opened
        ? fromNative(opened, path, limit)
        : byNumber(fd, opened ?? (await stats()), limit, shown, closeFd)
    if (file.fd !== fd) void closeFd()
    return file
  } catch (error) {
    void closeFd()
    throw error
  }
}

function statLater(fd: number): Promise<fs.Stats> {
  return new Promise((resolve, reject) => {
    fs.fstat(fd, (error, stats) => (error === null ? resolve(stats) : reject(error)))
  })
}

/** A descriptor of the caller's: duplicated at once where the addon is there, else used by its number. */
function adopt(fd: number, limit: Bytes | undefined, close?: OpenFile['close']): OpenFile | Promise<OpenFile> {
  const opened = duplicateOf(fd, undefined)
  if (opened instanceof Promise) return opened.then((found) => openFound(fd, found, limit))
  if (opened !== undefined) return fromNative(opened, undefined, limit)
  return byNumber(fd, fs.fstatSync(fd), limit, undefined, close)
}

function byNumber(
  fd: number,
  stats: fs.Stats,
  limit: Bytes | undefined,
  path: string | undefined,
  close: OpenFile['close'] = () => {},
): OpenFile {
  const isTerminal = tty.isatty(fd)
  if (stats.isFIFO() || isTerminal) return streamed(reopen(fd, 'read'), isTerminal, path, limit)
  if (stats.isFile()) {
    const identity = { device: stats.dev, inode: stats.ino }
    return { fd, native: undefined, size: sizeByNode(fd, stats), path, identity, close }
  }
  if (!stats.isCharacterDevice() && !stats.isBlockDevice()) throw notSendable(stats.isDirectory(), path)
  return { fd, native: undefined, size: undefined, path, identity: undefined, close }
}

/**
 * A duplicate by the addon, made now; `undefined` where there is none, or `fs` sees another file. A promise where a server
 * may have to be asked what it is.
 */
function duplicateOf(fd: number, path: string | undefined): Opened | undefined | Promise<Found> {
  const opened = opensSources ? duplicate(fd) : undefined
  if (opened === -EAGAIN) return inspected(fd, path)
  if (typeof opened === 'object') {
    if (isSameFile(opened, fd)) return opened
    closeNatively(opened.fd)
  } else if (opened !== undefined && shortageOf(-opened) !== undefined) {
    throw systemError(opened, 'fcntl', undefined, path)
  }
  return undefined
}

/** A duplicate, or what `fs` says of a number that stands for another file there. */
type Found = Opened | fs.Stats

async function inspected(fd: number, path: string | undefined): Promise<Found> {
  // Whoever has replaced it answers for files of his own; Node's would ask a server.
  const theirs = statsOwn() ? undefined : statOrUndefined(fd)
  const opened = await duplicateOnThread(fd)
  if (typeof opened === 'number') throw systemError(opened, 'fcntl', undefined, path)
  const isSame = theirs === undefined ? await isSameFileLater(opened) : isNamedBy(opened, theirs)
  if (isSame) return opened
  closeNatively(opened.fd)
  if (theirs === undefined) throw systemError(-EBADF, 'fstat', undefined, path)
  return theirs
}

function openFound(fd: number, found: Found, limit: Bytes | undefined): OpenFile {
  if ('kind' in found) return fromNative(found, undefined, limit)
  return byNumber(fd, stillNamed(fd, found), limit, undefined)
}

/** A descriptor of the caller's that is kept for a transfer which waits for its turn. */
export interface Held {
  /** Where its own file position is, as far as that is known. */
  readonly position: Bytes | undefined
  /** Opens it; it is no longer held then. */
  open(limit: Bytes | undefined): OpenFile | Promise<OpenFile>
  close(): void
}

/** Holds the file that a number stands for now. */
export function holdDescriptor(fd: number, ownPosition: boolean): Held {
  const opened = duplicateOf(fd, undefined)
  if (opened instanceof Promise) {
    return {
      position: undefined,
      open: (limit) => opened.then((found) => openFound(fd, found, limit)),
      close: () => void opened.then((found) => 'kind' in found && closeNatively(found.fd)).catch(() => {}),
    }
  }
  if (opened !== undefined) {
    const { fd: duplicated, position = -1 } = opened
    return {
      position: position < 0 ? undefined : position,
      open: (limit) => fromNative(opened, undefined, limit),
      close: () => closeNatively(duplicated),
    }
  }
  const stats = fs.fstatSync(fd)
  const own = stats.isFile() && !ownPosition ? openAgain(fd, stats) : undefined
  const position = descriptorStatus(fd)?.position
  if (own === undefined) {
    return { position, open: (limit) => byNumber(fd, stillNamed(fd, stats), limit, undefined), close() {} }
  }
  const close = (): Promise<void> => new Promise((resolve) => fs.close(own, () => resolve()))
  return { position, open: (limit) => adopt(own, limit, close), close: () => void close() }
}

/** Node has no dup(2): another open file description of the same file, which has a position of its own. */
function openAgain(fd: number, { dev, ino, size }: fs.Stats): number | undefined {
  if (descriptorStatus(fd)?.readable !== true) return undefined
  try {
    const own = fs.openSync(`/proc/self/fd/${fd}`, fs.constants.O_RDONLY)
    const stats = fs.fstatSync(own)
    if (stats.dev === dev && stats.ino === ino && stats.size === size) return own
    fs.closeSync(own) // the number is one of a virtual file system
    return undefined
  } catch {
    return undefined // no proc(5), or a file that this process may not open again
  }
}

/** Without a duplicate, a transfer sends the file that was named or nothing. */
function stillNamed(fd: number, named: fs.Stats): fs.Stats {
  const stats = statOrUndefined(fd)
  const isStill = stats?.dev === named.dev && stats.ino === named.ino && stats.rdev === named.rdev
  if (!isStill) throw systemError(-EBADF, 'fstat')
  return stats
}

/** What of `sizeOf` can be known without the addon: a file of /proc is not empty, and one of /sys not a page long. */
function sizeByNode(fd: number, { size, blocks }: fs.Stats): Bytes | undefined {
  if (process.platform !== 'linux') return size
  if (size === 0) return fs.readSync(fd, Buffer.alloc(1), 0, 1, 0) === 0 ? 0 : undefined
  return size === SYSFS_SIZE && blocks === 0 && fs.statfsSync(`/proc/self/fd/${fd}`).type === SYSFS ? undefined : size
}

/** statfs(2), SYSFS_MAGIC; every attribute says that it is one page long. */
const SYSFS = 0x62656572
const SYSFS_SIZE = 4096
