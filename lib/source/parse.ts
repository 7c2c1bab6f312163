/** Checks the source argument: a path, URL, FileHandle or descriptor number. Does not open it. */
import type { FileHandle } from 'node:fs/promises'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'

import { invalidType, invalidValue, outOfRange } from '../errors/node-error.ts'
import { systemError } from '../errors/sendfile-error.ts'

/** The source: a path (a string, or the bytes of a path), a `file:` URL, a FileHandle or a descriptor number. */
export type SourceArgument = string | Uint8Array | URL | FileHandle | number

/** A source whose type has been checked; it is not open yet. */
export type ParsedSource =
  | { readonly kind: 'path'; readonly path: string | Buffer }
  | { readonly kind: 'fd'; readonly fd: number }

const { EBADF } = constants.errno

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

/** Node does not export the class FileHandle. A closed one has the fd -1. */
export function isFileHandle(value: unknown): value is FileHandle {
  if (typeof value !== 'object' || value === null) return false
  return 'fd' in value && typeof value.fd === 'number' && 'read' in value && 'stat' in value && 'close' in value
}
