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
 * Opens the source; synchronously if no disk is involved, so that the length is known in the same tick. `limit` is the
 * maximum number of bytes that will be read.
 * @throws {SendfileError} and Node's own errors of `fs.open`
 */
export function openFile(source: ParsedSource, limit: Bytes | undefined): OpenFile | Promise<OpenFile> {
  if (source.kind === 'fd') return adopt(source.fd, limit)
  const shown = source.path
  if (!opensNatively()) return openByNode(shown, limit)
  const path = typeof shown === 'string' ? Buffer.from(shown) : shown
  const opened = openCached(path)
  if (typeof opened === 'number') {
    // After any other errno, Node reports its own error, or opens a file that only Node can see.
    return opened === -EAGAIN ? openUncached(path, shown, limit) : openByNode(shown, limit)
  }
  if (isSameFile(opened)) return fromNative(opened, shown, limit)
  closeNatively(opened.fd)
  return openByNode(shown, limit)
}

/**
 * Whether the addon may open paths: not with the permission model, and not if `fs.open` has been replaced (mock file systems,
 * packaged applications).
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

/** The source that the addon has opened. `limit` is the maximum number of bytes that will be read. */
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

/** `undefined` for files that the kernel generates when they are read: their reported size is 0 or one page. */
function sizeOf({ size, filesystem }: Opened): Bytes | undefined {
  return filesystem === FILESYSTEM_KIND.pseudo ? undefined : size
}

/** Opens a path with `fs`, which may have been replaced. O_NONBLOCK prevents that a FIFO blocks a thread of the pool. */
async function openByNode(path: string | Buffer, limit: Bytes | undefined): Promise<OpenFile> {
  const { O_RDONLY, O_NONBLOCK = 0 } = fs.constants
  const fd = await new Promise<number>((resolve, reject) => {
    fs.open(path, O_RDONLY | O_NONBLOCK, (error, opened) => (error === null ? resolve(opened) : reject(error)))
  })
  // A promise is settled only after the descriptor has been closed.
  const closeFd = (): Promise<void> => closeLater(fd)
  try {
    const shown = path.toString()
    const named = await namedBy(fd, shown, false)
    const isNative = named !== undefined && 'kind' in named
    const file = isNative
      ? fromNative(named, path, limit)
      : byNumber(fd, named ?? (await statLater(fd)), limit, shown, closeFd)
    if (file.fd !== fd) void closeFd()
    return file
  } catch (error) {
    void closeFd()
    throw error
  }
}

/** Opens a descriptor of the caller: duplicated at once with the addon, otherwise used by number. */
function adopt(fd: number, limit: Bytes | undefined): OpenFile | Promise<OpenFile> {
  const named = namedBy(fd, undefined, false)
  if (named instanceof Promise) return named.then((later) => openNamed(fd, later, limit))
  return openNamed(fd, named, limit)
}

function openNamed(fd: number, named: Named, limit: Bytes | undefined): OpenFile | Promise<OpenFile> {
  if (named === undefined) return openNumber(fd, limit)
  if ('kind' in named) return fromNative(named, undefined, limit)
  return byNumber(fd, stillNamed(fd, named), limit, undefined)
}

/** A duplicate by the addon, or the status that `fs` reports for the number; `undefined` if `fs` has not been asked yet. */
type Named = Opened | fs.Stats | undefined

/** @throws {SendfileError} EMFILE, ENFILE; later also EBADF */
function namedBy(fd: number, path: string | undefined, withPosition: boolean): Named | Promise<Named> {
  const duplicate = duplicateOf(fd, { withPosition })
  if (duplicate instanceof Promise) {
    return duplicate.then((later) => {
      if (typeof later === 'number') throw systemError(later, 'fcntl', undefined, path)
      return later
    })
  }
  if (typeof duplicate !== 'number') return duplicate
  if (shortageOf(-duplicate) !== undefined) throw systemError(duplicate, 'fcntl', undefined, path)
  return undefined
}

/** A descriptor of the caller that is held for a waiting transfer. */
export interface Held {
  /** The file position, if it is known. */
  readonly position: Bytes | undefined
  /** Opens it, and ends the hold. */
  open(limit: Bytes | undefined): OpenFile | Promise<OpenFile>
  close(): void
}

/** Holds the file that a number refers to now. */
export function holdDescriptor(fd: number, ownPosition: boolean): Held {
  const named = namedBy(fd, undefined, ownPosition)
  if (named instanceof Promise) {
    return {
      position: undefined,
      open: (limit) => named.then((later) => openNamed(fd, later, limit)),
      close: () => void named.then((later) => later && 'kind' in later && closeNatively(later.fd)).catch(() => {}),
    }
  }
  if (named === undefined || !('kind' in named)) return holdNumber(fd, ownPosition)
  const { fd: duplicated, position = -1 } = named
  return {
    position: position < 0 ? undefined : position,
    open: (limit) => fromNative(named, undefined, limit),
    close: () => closeNatively(duplicated),
  }
}
