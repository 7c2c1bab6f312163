/** Parses the options of `serveFile()` and `serveStatic()` into frozen Settings. Throws before anything is touched. */
import type fs from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

import { invalidType, invalidValue } from '../../errors/node-error.ts'
import { type Method, parseOptions } from '../../options/sendfile.ts'
import { isRecord, MAX_TIME, parseBoolean, parseFunction, parseInteger, parseWord } from '../../options/validate.ts'
import type { RateLimiter } from '../../options/rate-limiter.ts'
import type { Encoding } from './options.ts'

type TagFunction = (path: string, stat: fs.Stats) => unknown

/** The options, complete and checked. */
export interface Settings {
  readonly root: string | undefined
  readonly index: readonly string[]
  readonly dotfiles: 'ignore' | 'deny' | 'allow'
  readonly etag: 'weak' | 'strong' | false | TagFunction
  readonly lastModified: boolean | TagFunction
  readonly cacheControl: string | undefined
  readonly headers: Function | undefined
  readonly contentType: string | Function | undefined
  readonly attachment: boolean | string
  readonly precompressed: readonly Encoding[]
  readonly ranges: boolean
  readonly maxRanges: number
  readonly acceptRanges: boolean
  readonly extensions: readonly string[]
  readonly redirect: boolean
  readonly listing: boolean
  readonly symlinks: 'follow' | 'within-root' | 'deny'
  readonly fallthrough: boolean
  readonly limiter: Function | undefined
  readonly cache: CacheLimits | undefined
  /** The options of `sendfile()`. */
  readonly transfer: Transfer
}

/** The option `cache`, complete and checked. */
export interface CacheLimits {
  /** The object of the caller, which identifies the cache. */
  readonly option: object
  readonly entries: number
  /** In milliseconds. */
  readonly maxAge: number
}

/** The options that are passed to `sendfile()`. */
export interface Transfer {
  readonly rate?: number | RateLimiter | undefined
  readonly burst?: number | undefined
  readonly minRate?: number | undefined
  readonly stallTimeout?: number | undefined
  readonly method?: 'auto' | Method | undefined
  readonly signal?: AbortSignal | undefined
}

const ENCODINGS: readonly Encoding[] = ['br', 'zstd', 'gzip']

const NAMES: ReadonlySet<string> = new Set(
  (
    'root index dotfiles etag lastModified maxAge immutable cacheControl headers contentType attachment precompressed ' +
    'ranges maxRanges acceptRanges extensions redirect listing symlinks fallthrough rate burst limiter minRate ' +
    'stallTimeout method signal cache'
  ).split(' '),
)

/**
 * @throws {TypeError} ERR_INVALID_ARG_TYPE and ERR_INVALID_ARG_VALUE, also for an option that does not exist
 * @throws {RangeError} ERR_OUT_OF_RANGE
 */
export function parseServeOptions(options: unknown): Settings {
  if (options === undefined || options === null) return STANDARD
  if (!isRecord(options)) throw invalidType('options', 'of type object', options)
  for (const name of Object.keys(options)) {
    if (!NAMES.has(name)) throw invalidValue(`options.${name}`, options[name], 'is not an option')
  }
  return Object.freeze(parse(options))
}

function parse(options: Readonly<Record<string, unknown>>): Settings {
  const root = options.root === undefined ? undefined : parseRoot('options.root', options.root)
  const ranges = parseSwitch('options.ranges', options.ranges, true)
  return {
    root,
    index: options.index === false ? [] : parseIndex(options.index),
    dotfiles: parseWord('options.dotfiles', options.dotfiles, ['ignore', 'deny', 'allow']),
    etag: parseTag(options.etag),
    lastModified: parseModified(options.lastModified),
    cacheControl: parseCacheControl(options),
    headers: parseFunction('options.headers', options.headers),
    contentType: parseType(options.contentType),
    attachment: parseAttachment(options.attachment),
    precompressed: parseEncodings(options.precompressed),
    ranges,
    maxRanges: parseInteger('options.maxRanges', options.maxRanges, 1, 1000, 50),
    acceptRanges: parseSwitch('options.acceptRanges', options.acceptRanges, ranges),
    extensions: parseNames('options.extensions', options.extensions ?? []).map((name) => name.replace(/^\./, '')),
    redirect: parseSwitch('options.redirect', options.redirect, true),
    listing: parseBoolean('options.listing', options.listing),
    symlinks: parseSymlinks(options.symlinks, root),
    fallthrough: parseSwitch('options.fallthrough', options.fallthrough, true),
    limiter: parseLimiter(options),
    cache: parseCache(options.cache),
    transfer: parseTransfer(options),
  }
}

/** The absolute path of a folder, whose existence is checked later. */
export function parseRoot(name: string, root: unknown): string {
  const path = root instanceof URL ? fileURLToPath(root) : root
  if (typeof path !== 'string') throw invalidType(name, 'of type string or an instance of URL', root)
  if (path.includes('\0')) throw invalidValue(name, root, 'must be a string or URL without null bytes')
  return resolve(path)
}

function parseSwitch(name: string, value: unknown, standard: boolean): boolean {
  return value === undefined ? standard : parseBoolean(name, value)
}

function parseIndex(index: unknown): readonly string[] {
  const names: unknown = index ?? 'index.html'
  return parseNames('options.index', typeof names === 'string' ? [names] : names)
}

/** Names of files or extensions, without separators. */
function parseNames(option: string, names: unknown): readonly string[] {
  if (!Array.isArray(names)) throw invalidType(option, 'an Array of strings', names)
  return names.map((name: unknown) => {
    if (typeof name !== 'string') throw invalidType(option, 'an Array of strings', names)
    if (/^\.{0,2}$|[/\0]/.test(name)) throw invalidValue(option, names, 'must hold names without a slash or null byte')
    return name
  })
}

function parseTag(etag: unknown): Settings['etag'] {
  if (etag === false) return false
  if (isFunction(etag)) return etag
  return parseWord<'weak' | 'strong'>('options.etag', etag, ['weak', 'strong'])
}

function parseModified(lastModified: unknown): Settings['lastModified'] {
  return isFunction(lastModified) ? lastModified : parseSwitch('options.lastModified', lastModified, true)
}

function isFunction(value: unknown): value is TagFunction {
  return typeof value === 'function'
}

function parseCacheControl({ cacheControl, maxAge, immutable }: Readonly<Record<string, unknown>>): string | undefined {
  const seconds = Math.floor(parseInteger('options.maxAge', maxAge, 0, Number.MAX_SAFE_INTEGER, 0) / 1000)
  const isImmutable = parseBoolean('options.immutable', immutable)
  if (typeof cacheControl === 'string') return parseField('options.cacheControl', cacheControl)
  if (!parseSwitch('options.cacheControl', cacheControl, true)) return undefined
  return `public, max-age=${seconds}${isImmutable ? ', immutable' : ''}`
}

/** A field value (RFC 9110 section 5.5). */
function parseField(name: string, value: string): string {
  if (/[^\t\u0020-\u007E\u0080-\u00FF]/.test(value)) throw invalidValue(name, value, 'must be a valid header value')
  return value
}

function parseType(type: unknown): string | Function | undefined {
  if (type === undefined || typeof type === 'function') return type
  if (typeof type !== 'string') throw invalidType('options.contentType', 'of type string or function', type)
  return parseField('options.contentType', type)
}

function parseAttachment(attachment: unknown): boolean | string {
  if (typeof attachment !== 'string') return parseBoolean('options.attachment', attachment)
  if (/\p{Surrogate}/u.test(attachment)) {
    throw invalidValue('options.attachment', attachment, 'must not have a lone surrogate')
  }
  return attachment
}

function parseEncodings(precompressed: unknown): readonly Encoding[] {
  if (precompressed === undefined || precompressed === false) return []
  if (precompressed === true) return ENCODINGS
  if (!Array.isArray(precompressed))
    throw invalidType('options.precompressed', 'of type boolean or an Array', precompressed)
  const names: unknown[] = precompressed
  return names.map((name) => parseWord('options.precompressed', name ?? '', ['br', 'zstd', 'gzip']))
}

function parseSymlinks(symlinks: unknown, root: string | undefined): Settings['symlinks'] {
  if (symlinks === undefined) return root === undefined ? 'follow' : 'within-root'
  return parseWord('options.symlinks', symlinks, ['within-root', 'follow', 'deny'])
}

function parseLimiter({ limiter, rate }: Readonly<Record<string, unknown>>): Function | undefined {
  const parsed = parseFunction('options.limiter', limiter)
  if (parsed !== undefined && rate !== undefined) {
    throw invalidValue('options.limiter', limiter, 'must not be set beside options.rate')
  }
  return parsed
}

function parseCache(cache: unknown): CacheLimits | undefined {
  if (cache === undefined || cache === false) return undefined
  if (!isRecord(cache)) throw invalidType('options.cache', 'of type object or false', cache)
  const { entries, maxAge, ...unknown } = cache
  const [name] = Object.keys(unknown)
  if (name !== undefined) throw invalidValue(`options.cache.${name}`, unknown[name], 'is not an option')
  return {
    option: cache,
    entries: parseInteger('options.cache.entries', entries, 1, 1e6, 1000),
    maxAge: parseInteger('options.cache.maxAge', maxAge, 1, MAX_TIME, 1000),
  }
}

/** Checked as `sendfile()` checks them. */
function parseTransfer(options: Readonly<Record<string, unknown>>): Transfer {
  const { rate, burst, minRate, stallTimeout, method, signal } = options
  const request = parseOptions({ rate, burst, minRate, stallTimeout, method, signal })
  return {
    rate: request.limiter ?? request.rate,
    burst: request.limiter === undefined && request.rate > 0 ? request.burst : undefined,
    minRate: request.minRate,
    stallTimeout: request.stallTimeout,
    method: request.method,
    signal: request.signal,
  }
}

const STANDARD: Settings = Object.freeze(parse({}))
