/** Makes of a path, URL, FileHandle or fd number an open file and its size. */
import fs from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'

import { isNode, native } from './binding.ts'
import { invalidType, invalidValue, outOfRange, systemError, unsupported } from './errors.ts'
import type { Obstacle } from './marker.ts'
import { closeNatively, duplicate, KIND, NativeFile, openCached, type Opened, openOnThread } from './native-file.ts'
import type { Bytes } from './options.ts'

/** What can be sent. */
export type SourceArgument = string | Uint8Array | URL | FileHandle | number

/** A source whose type has been checked; nothing is open yet. */
export type ParsedSource =
  | { readonly kind: 'path'; readonly path: string | Buffer }
  | { readonly kind: 'fd'; readonly fd: number }

/** An open file. `close()` must be called once it is no longer needed; running transfers keep it open. */
export interface OpenFile {
  /** For `fs.read` in the portable executor. */
  readonly fd: number
  /** Where the kernel can read it. */
  readonly native: NativeFile | undefined
  readonly size: Bytes
  readonly path: string | undefined
  close(): void
}

const { EAGAIN, EBADF, EISDIR } = constants.errno

/** Elsewhere `fs` cannot read what the addon has opened. */
const opens = isNode && native !== undefined

/** Node's own functions, as they are before anybody replaces them. */
const { open, openSync } = fs
const ownFs = [open, openSync].every((method) => Function.prototype.toString.call(method).includes('binding.open('))

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
function isFileHandle(value: unknown): value is FileHandle {
  if (typeof value !== 'object' || value === null) return false
  return 'fd' in value && typeof value.fd === 'number' && 'read' in value && 'stat' in value && 'close' in value
}

/**
 * Opens the source. Synchronous where no disk has to be asked, so that the length is known in the same tick.
 * @throws {SendfileError} and Node's own errors of `fs.open`
 */
export function openFile(source: ParsedSource): OpenFile | Promise<OpenFile> {
  if (source.kind === 'fd') return adopt(source.fd)
  if (!opensNatively()) return openByNode(source.path)
  const path = typeof source.path === 'string' ? Buffer.from(source.path) : source.path
  const opened = openCached(path)
  if (typeof opened !== 'number') return confirm(opened, source.path) ?? openByNode(source.path)
  if (opened !== -EAGAIN) return openByNode(source.path) // for Node's own error, and for files only Node knows
  return openUncached(path, source.path)
}

/**
 * Only while nobody stands between `fs` and the file system: the permission model, or a replaced `fs.open` (mock file
 * systems, packed apps).
 */
function opensNatively(): boolean {
  const replaced = fs.open !== open || fs.openSync !== openSync
  return opens && ownFs && !replaced && !('permission' in process)
}

async function openUncached(path: Buffer, shown: string | Buffer): Promise<OpenFile> {
  const opened = await openOnThread(path)
  if (typeof opened === 'number') return openByNode(shown)
  return confirm(opened, shown) ?? openByNode(shown)
}

/** The file if `fs` sees the same one behind this number; a virtual file system does not. */
function confirm(opened: Opened, path: string | Buffer): OpenFile | undefined {
  if (isSame(opened, statOrUndefined(opened.fd))) return fromNative(opened, path)
  closeNatively(opened.fd)
  return undefined
}

function isSame({ device, inode, size }: Opened, stats: fs.Stats | undefined): boolean {
  return stats !== undefined && device === stats.dev && inode === stats.ino && size === stats.size
}

function statOrUndefined(fd: number): fs.Stats | undefined {
  try {
    return fs.fstatSync(fd)
  } catch {
    return undefined
  }
}

function fromNative(opened: Opened, path: string | Buffer | undefined): NativeFile {
  const shown = path?.toString()
  if (opened.kind !== KIND.regular) {
    closeNatively(opened.fd)
    throw notAFile(opened.kind === KIND.directory, shown)
  }
  return new NativeFile(opened.fd, exactSize(opened), shown)
}

/** Sparse files may be larger than a number can say. */
function exactSize({ fd, size }: Opened): Bytes {
  return size <= Number.MAX_SAFE_INTEGER ? size : fs.fstatSync(fd, { bigint: true }).size
}

function notAFile(directory: boolean, path: string | undefined): Error {
  if (directory) return systemError(-EISDIR, 'read', undefined, path)
  return unsupported(`Only regular files can be sent${path === undefined ? '' : `, '${path}' is none`}`)
}

/** Through `fs`, so that whoever stands behind it has its say. O_NONBLOCK: a FIFO must not park a thread of the pool. */
async function openByNode(path: string | Buffer): Promise<OpenFile> {
  const { O_RDONLY, O_NONBLOCK = 0 } = fs.constants
  const fd = await new Promise<number>((resolve, reject) => {
    fs.open(path, O_RDONLY | O_NONBLOCK, (error, opened) => (error === null ? resolve(opened) : reject(error)))
  })
  const closeFd = (): void => fs.close(fd, () => {})
  try {
    const file = adopt(fd, path, closeFd)
    if (file.native !== undefined) closeFd()
    return file
  } catch (error) {
    closeFd()
    throw error
  }
}

/** A descriptor of the caller's: duplicated at once where the addon is there, else used by its number. */
function adopt(fd: number, path?: string | Buffer, close = (): void => {}): OpenFile {
  const stats = fs.fstatSync(fd)
  const opened = opens ? duplicate(fd) : undefined
  if (typeof opened === 'object') {
    if (isSame(opened, stats)) return fromNative(opened, path)
    closeNatively(opened.fd)
  }
  if (!stats.isFile()) throw notAFile(stats.isDirectory(), path?.toString())
  return { fd, native: undefined, size: stats.size, path: path?.toString(), close }
}

/** The file is not one that the kernel knows: a mock, or part of a packed app. */
export const FILESYSTEM: Obstacle = { code: 'FILESYSTEM', reason: 'the file exists only inside this process' }
const NO_ADDON: Obstacle = {
  code: 'PLATFORM',
  reason: 'the addon is not loaded, or not used in this runtime: see support()',
}

/** Why the kernel cannot read the file, `undefined` if it can. */
export function fileObstacle(file: OpenFile): Obstacle | undefined {
  if (file.native !== undefined) return undefined
  return opens ? FILESYSTEM : NO_ADDON
}
