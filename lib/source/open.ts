/** Opens a path, URL, FileHandle or descriptor number, and determines its size. */
import fs from 'node:fs'
import { constants } from 'node:os'

import { systemError } from '../errors/sendfile-error.ts'
import { OBSTACLE, shortageOf } from '../errors/obstacle.ts'
import { closeNatively, NativeFile, openCached, type Opened, openOnThread, opensSources } from '../file/native-file.ts'
import { FILESYSTEM_KIND, KIND } from '../native/codes.ts'
import { closeLater, statLater } from '../node/fs.ts'
import type { OpenFile } from '../executor/range.ts'
import type { Bytes } from '../options/validate.ts'
import { opensOwn } from '../node/unpatched.ts'
import { byNumber, holdNumber, notSendable, openNumber, stillNamed, streamed } from './by-number.ts'
import { duplicateOf } from '../file/duplicate.ts'
import type { ParsedSource } from './parse.ts'
import { isSameFile, isSameFileLater } from '../file/same-file.ts'
import { reopen } from './pipe.ts'

const { EAGAIN } = constants.errno

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
        return streamed(reopen(fd, 'read', kind === KIND.terminal), kind === KIND.terminal, shown, limit)
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

/** Files that the kernel makes up as they are read say 0 or a page. */
function sizeOf({ size, filesystem }: Opened): Bytes | undefined {
  return filesystem === FILESYSTEM_KIND.pseudo ? undefined : size
}

/** Through `fs`, so that whoever stands behind it has its say. O_NONBLOCK: a FIFO must not park a thread of the pool. */
async function openByNode(path: string | Buffer, limit: Bytes | undefined): Promise<OpenFile> {
  const { O_RDONLY, O_NONBLOCK = 0 } = fs.constants
  const fd = await new Promise<number>((resolve, reject) => {
    fs.open(path, O_RDONLY | O_NONBLOCK, (error, opened) => (error === null ? resolve(opened) : reject(error)))
  })
  // A promise must not be settled before.
  const closeFd = (): Promise<void> => closeLater(fd)
  try {
    const shown = path.toString()
    const found = await namedBy(fd, shown, false)
    const isNative = found !== undefined && 'kind' in found
    const file = isNative
      ? fromNative(found, path, limit)
      : byNumber(fd, found ?? (await statLater(fd)), limit, shown, closeFd)
    if (file.fd !== fd) void closeFd()
    return file
  } catch (error) {
    void closeFd()
    throw error
  }
}

/** A descriptor of the caller's: duplicated at once where the addon is there, else used by its number. */
function adopt(fd: number, limit: Bytes | undefined): OpenFile | Promise<OpenFile> {
  const found = namedBy(fd, undefined, false)
  if (found instanceof Promise) return found.then((later) => openFound(fd, later, limit))
  return openFound(fd, found, limit)
}

function openFound(fd: number, found: Found, limit: Bytes | undefined): OpenFile | Promise<OpenFile> {
  if (found === undefined) return openNumber(fd, limit)
  if ('kind' in found) return fromNative(found, undefined, limit)
  return byNumber(fd, stillNamed(fd, found), limit, undefined)
}

/** A duplicate by the addon, or what `fs` says of the number; `undefined` where it is to be asked. */
type Found = Opened | fs.Stats | undefined

/** @throws {SendfileError} EMFILE, ENFILE; later also EBADF */
function namedBy(fd: number, path: string | undefined, withPosition: boolean): Found | Promise<Found> {
  const found = duplicateOf(fd, { withPosition })
  if (found instanceof Promise) {
    return found.then((later) => {
      if (typeof later === 'number') throw systemError(later, 'fcntl', undefined, path)
      return later
    })
  }
  if (typeof found !== 'number') return found
  if (shortageOf(-found) !== undefined) throw systemError(found, 'fcntl', undefined, path)
  return undefined
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
  const found = namedBy(fd, undefined, ownPosition)
  if (found instanceof Promise) {
    return {
      position: undefined,
      open: (limit) => found.then((later) => openFound(fd, later, limit)),
      close: () => void found.then((later) => later && 'kind' in later && closeNatively(later.fd)).catch(() => {}),
    }
  }
  if (found === undefined || !('kind' in found)) return holdNumber(fd, ownPosition)
  const { fd: duplicated, position = -1 } = found
  return {
    position: position < 0 ? undefined : position,
    open: (limit) => fromNative(found, undefined, limit),
    close: () => closeNatively(duplicated),
  }
}
