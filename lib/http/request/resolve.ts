/**
 * Which path below the root a request target names. The target is decoded once, segment by segment, so that an encoded
 * separator is not a separator. A path has one spelling, so that a guard before this handler sees the path that is opened.
 */

/** A path, or the status to answer with. */
export type Target =
  | {
      readonly status: undefined
      /** The names of folders, and of the file unless `isFolder`, as bytes: a name need not be UTF-8. */
      readonly segments: readonly Buffer[]
      /** Whether the target ends with a slash. */
      readonly isFolder: boolean
    }
  | { readonly status: 400 | 404 }

const SLASH = 0x2f
const BACKSLASH = 0x5c
const DOT = 0x2e
const PERCENT = 0x25
const BAD: Target = { status: 400 }
const MISSING: Target = { status: 404 }
/** Files in this folder are public by design (RFC 8615). */
const WELL_KNOWN = Buffer.from('.well-known')

/** The path of a request target, without its query. */
export function pathOf(target: string): string {
  const query = target.indexOf('?')
  return query === -1 ? target : target.slice(0, query)
}

/**
 * 400: not in origin-form (RFC 9112 section 3.2.1), a percent sign without two hexadecimal digits, a NUL byte. 404: an
 * empty segment, `.` or `..`, a segment with a slash or backslash in it; encoded or not.
 */
export function resolveTarget(target: string): Target {
  const path = pathOf(target)
  if (!path.startsWith('/') || path.includes('#')) return BAD
  const names = path.slice(1).split('/')
  const isFolder = names.at(-1) === ''
  if (isFolder) names.pop()
  const segments: Buffer[] = []
  let isMissing = false
  for (const name of names) {
    const segment = decode(name)
    if (segment === undefined || segment.includes(0)) return BAD
    isMissing ||= isAmbiguous(segment)
    segments.push(segment)
  }
  return isMissing ? MISSING : { status: undefined, segments, isFolder }
}

function isAmbiguous(segment: Buffer): boolean {
  if (segment.length === 0 || segment.includes(SLASH) || segment.includes(BACKSLASH)) return true
  return segment[0] === DOT && (segment.length === 1 || (segment.length === 2 && segment[1] === DOT))
}

/** Node decodes a target as latin1. A character above that comes from code that has rewritten the target: UTF-8. */
function decode(name: string): Buffer | undefined {
  const bytes = Buffer.from(name, /[\u0100-\uFFFF]/.test(name) ? 'utf8' : 'latin1')
  const first = bytes.indexOf(PERCENT)
  if (first === -1) return bytes
  let length = first
  for (let at = first; at < bytes.length; at += 1, length += 1) {
    const byte = bytes[at]
    if (byte !== PERCENT) bytes[length] = byte ?? 0
    else {
      const digits = bytes.toString('latin1', at + 1, at + 3)
      if (!/^[\dA-Fa-f]{2}$/.test(digits)) return undefined
      bytes[length] = Number.parseInt(digits, 16)
      at += 2
    }
  }
  return bytes.subarray(0, length)
}

/** The status for a path with a dotfile; `undefined` if the path is allowed. */
export function refusedFor(segments: readonly Buffer[], dotfiles: 'ignore' | 'deny' | 'allow'): 403 | 404 | undefined {
  if (dotfiles === 'allow' || !hasDotfile(segments)) return undefined
  return dotfiles === 'deny' ? 403 : 404
}

/** Whether a name below the root begins with a dot. */
function hasDotfile(segments: readonly Buffer[]): boolean {
  return segments.some((segment, place) => segment[0] === DOT && !(place === 0 && segment.equals(WELL_KNOWN)))
}

const SEPARATOR = Buffer.from('/')

/** The path of a file below a folder. */
export function joinPath(folder: Buffer, segments: readonly Buffer[]): Buffer {
  if (segments.length === 0) return folder
  const isRoot = folder.length === 1 && folder[0] === SLASH
  return Buffer.concat([...(isRoot ? [] : [folder]), ...segments.flatMap((segment) => [SEPARATOR, segment])])
}

/**
 * The address of a folder with its final slash and the query. A browser reads an address that starts with two slashes or
 * backslashes as another host.
 */
export function withSlash(target: string): string {
  const path = pathOf(target)
  const local = `/${path.replace(/^[/\\]+/, '')}/${target.slice(path.length)}`
  return local.replaceAll(/[^!#-;=?-[\]_a-z~]/gu, (character) =>
    [...Buffer.from(character, character > '\u00FF' ? 'utf8' : 'latin1')]
      .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
      .join(''),
  )
}
