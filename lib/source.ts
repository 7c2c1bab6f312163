/** Makes of a path, URL, FileHandle or fd number an open source and its size. */
import fs from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { constants } from 'node:os'
import tty from 'node:tty'
import { fileURLToPath } from 'node:url'

import { isNode, native } from './binding.ts'
import type { Range } from './copy.ts'
import { descriptorStatus } from './descriptor-status.ts'
import { invalidType, invalidValue, outOfRange, systemError, unsupported } from './errors.ts'
import { OBSTACLE, type Obstacle, shortageOf } from './errors/obstacle.ts'
import { closeNatively, duplicate, NativeFile, openCached, type Opened, openOnThread } from './native-file.ts'
import { FILESYSTEM_KIND, KIND } from './native/codes.ts'
import { type Bytes, remaining } from './option-values.ts'
import type { Request } from './options.ts'
import { opensOwn } from './node/unpatched.ts'
import type { Stop } from './stop.ts'
import { reopen, StreamSource } from './stream-source.ts'

/** What can be sent. */
export type SourceArgument = string | Uint8Array | URL | FileHandle | number

/** A source whose type has been checked; nothing is open yet. */
export type ParsedSource =
  | { readonly kind: 'path'; readonly path: string | Buffer }
  | { readonly kind: 'fd'; readonly fd: number }

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
export const opensSources = isNode && native !== undefined

export function parseSource(source: unknown): ParsedSource {
  if (typeof source === 'number') return { kind: 'fd', fd: parseFd('source', source) }
  if (typeof source === 'string' || source instanceof Uint8Array) return { kind: 'path', path: parsePath(source) }
  if (source instanceof URL) return { kind: 'path', path: parsePath(fileURLToPath(source)) }
  if (isFileHandle(source)) {
    if (source.fd < 0) throw systemError(-EBADF, 'fstat')
    return { kind: 'fd', fd: source.fd }
  }
  throw invalidType('source', 'one of type string or number or an instance of Buffer, URL, or FileHandle', source)
}

/** A descriptor number, by Node's rules for `fd` arguments. */
export function parseFd(name: string, fd: unknown): number {
  if (typeof fd !== 'number') throw invalidType(name, 'of type number', fd)
  if (!Number.isInteger(fd)) throw outOfRange(name, 'an integer', fd)
  if (fd < 0 || fd > 0x7fffffff) throw outOfRange(name, '>= 0 && <= 2147483647', fd)
  return fd
}

function parsePath(path: string | Uint8Array): string | Buffer {
  const nul = typeof path === 'string' ? path.includes('\0') : path.includes(0)
  if (nul) throw invalidValue('source', path, 'must be a string, Uint8Array, or URL without null bytes')
  return typeof path === 'string' ? path : Buffer.from(path)
}

/** FileHandle is not exported by Node; a closed one has fd -1. */
export function isFileHandle(value: unknown): value is FileHandle {
  if (typeof value !== 'object' || value === null) return false
  return 'fd' in value && typeof value.fd === 'number' && 'read' in value && 'stat' in value && 'close' in value
}

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
  if (typeof opened !== 'number') return confirm(opened, shown, limit) ?? openByNode(shown, limit)
  if (opened !== -EAGAIN) return openByNode(shown, limit) // for Node's own error, and for files only Node knows
  return openUncached(path, shown, limit)
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
  return confirm(opened, shown, limit) ?? openByNode(shown, limit)
}

/** The file if `fs` sees the same one behind this number; a virtual file system does not. */
function confirm(opened: Opened, path: string | Buffer, limit: Bytes | undefined): OpenFile | undefined {
  if (isSame(opened, statOrUndefined(opened.fd))) return fromNative(opened, path, limit)
  closeNatively(opened.fd)
  return undefined
}

/** Whether `fs` sees the file that the addon sees; a virtual file system does not. */
export function isSame({ device, inode, size }: Opened, stats: fs.Stats | undefined): boolean {
  return stats !== undefined && device === stats.dev && inode === stats.ino && size === stats.size
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
  return unsupported(`${what} is no source: expected a file, a device, a pipe or a terminal`)
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
    const file = adopt(fd, limit, path, closeFd)
    if (file.fd !== fd) void closeFd()
    return file
  } catch (error) {
    void closeFd()
    throw error
  }
}

/** A descriptor of the caller's: duplicated at once where the addon is there, else used by its number. */
function adopt(
  fd: number,
  limit: Bytes | undefined,
  path?: string | Buffer,
  close: OpenFile['close'] = () => {},
): OpenFile {
  const stats = fs.fstatSync(fd)
  const opened = opensSources ? duplicate(fd) : undefined
  if (typeof opened === 'object') {
    if (isSame(opened, stats)) return fromNative(opened, path, limit)
    closeNatively(opened.fd)
  } else if (opened !== undefined && shortageOf(-opened) !== undefined) {
    throw systemError(opened, 'fcntl', undefined, path?.toString())
  }
  const shown = path?.toString()
  const isTerminal = tty.isatty(fd)
  if (stats.isFIFO() || isTerminal) return streamed(reopen(fd, 'read'), isTerminal, shown, limit)
  if (stats.isFile()) {
    const identity = { device: stats.dev, inode: stats.ino }
    return { fd, native: undefined, size: sizeByNode(fd, stats), path: shown, identity, close }
  }
  if (!stats.isCharacterDevice() && !stats.isBlockDevice()) throw notSendable(stats.isDirectory(), shown)
  return { fd, native: undefined, size: undefined, path: shown, identity: undefined, close }
}

/** What of `sizeOf` can be known without the addon: a file of /proc is not empty, and one of /sys not a page long. */
function sizeByNode(fd: number, { size }: fs.Stats): Bytes | undefined {
  if (process.platform !== 'linux') return size
  if (size === 0) return fs.readSync(fd, Buffer.alloc(1), 0, 1, 0) === 0 ? 0 : undefined
  return size === SYSFS_SIZE && fs.statfsSync(`/proc/self/fd/${fd}`).type === SYSFS ? undefined : size
}

/** statfs(2), SYSFS_MAGIC; every attribute says that it is one page long. */
const SYSFS = 0x62656572
const SYSFS_SIZE = 4096

/**
 * Which bytes of the source are asked for.
 * @throws {TypeError} ERR_INVALID_ARG_VALUE: an offset in what has none, no count for what has no end
 */
export function rangeOf(file: OpenFile, { offset, count }: Request): Range {
  if (file.read !== undefined) {
    const reason = 'must be 0 or null for a pipe or terminal, which is read from where it stands'
    if (offset !== null && offset !== 0) throw invalidValue('options.offset', offset, reason)
    return { file, offset: 0, ownPosition: false, count }
  }
  if (count === undefined && file.size === undefined && file.identity === undefined) {
    throw invalidValue('options.count', count, 'must be given for a device, which has no end')
  }
  const ownPosition = offset === null
  const start = ownPosition ? positionOf(file) : offset
  const rest = file.size === undefined || start === undefined ? undefined : remaining(file.size, start)
  return { file, offset: start ?? 0, ownPosition, positionUnknown: start === undefined, count: count ?? rest }
}

/** `undefined` where nobody can tell it, and for devices, whose bytes cannot be read twice to move it. */
function positionOf({ native, fd, identity }: OpenFile): Bytes | undefined {
  if (native !== undefined) return native.position
  return identity === undefined ? undefined : descriptorStatus(fd)?.position
}

/** Why the kernel cannot read the file, `undefined` if it can. */
export function fileObstacle(file: OpenFile): Obstacle | undefined {
  if (file.native !== undefined) return undefined
  if (file.read !== undefined) return OBSTACLE.unsized
  return opensSources ? OBSTACLE.virtual : OBSTACLE.noAddon
}
