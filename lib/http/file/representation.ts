/** The headers that describe a file: type, tag, date, and how long it may be cached. */
import fs from 'node:fs'
import { basename } from 'node:path'
import { create as contentDisposition } from 'content-disposition'
import { lookup } from 'mrmime'

import { invalidType, invalidValue } from '../../errors/node-error.ts'
import type { Validators } from '../request/conditional.ts'
import type { OpenEntry } from './open.ts'
import type { Encoding, ServeResponse } from '../request/options.ts'
import type { Settings } from '../request/settings.ts'

/** A file that has been chosen to answer a request. */
export interface Representation {
  readonly entry: OpenEntry
  /** The name of the file without the extension of the encoding; it determines the type. */
  readonly name: string
  readonly encoding: Encoding | undefined
}

const SECOND = 1_000_000_000n
const TAG = /^(?:W\/)?"[\u0021\u0023-\u007E\u0080-\u00FF]*"$/

/**
 * Sets the headers that a 200, a 206 and a 304 share, unless the program has set them, and returns the validators that the
 * client will see.
 * @throws what the functions of the options throw, and Node's errors for headers that are not valid
 */
export function describe(res: ServeResponse, chosen: Representation, settings: Settings): Validators {
  const { entry, encoding } = chosen
  const path = entry.path.toString()
  const stat = lazily(() => statsOf(entry.stat))
  const { headers, etag, lastModified, cacheControl, precompressed } = settings
  if (headers !== undefined) Reflect.apply(headers, undefined, [res, path, stat()])
  if (res.headersSent) return NONE
  if (precompressed.length > 0) vary(res)
  if (cacheControl !== undefined) setUnlessSet(res, 'Cache-Control', cacheControl)
  if (settings.acceptRanges) setUnlessSet(res, 'Accept-Ranges', 'bytes')
  if (!res.hasHeader('ETag') && etag !== false) {
    const tag = typeof etag === 'function' ? ownTag(etag(path, stat())) : tagOf(entry.stat, etag)
    if (tag !== undefined) res.setHeader('ETag', encoding === undefined ? tag : `${tag.slice(0, -1)}-${encoding}"`)
  }
  if (!res.hasHeader('Last-Modified') && lastModified !== false) {
    const seconds = lastModified === true ? secondsOf(entry.stat) : ownDate(lastModified(path, stat()))
    if (seconds !== undefined) res.setHeader('Last-Modified', new Date(seconds * 1000).toUTCString())
  }
  return validatorsOf(res)
}

const NONE: Validators = { etag: undefined, modified: undefined }

function validatorsOf(res: ServeResponse): Validators {
  const etag: unknown = res.getHeader('ETag')
  const modified = Date.parse(String(res.getHeader('Last-Modified')))
  return {
    etag: typeof etag === 'string' ? etag : undefined,
    modified: Number.isNaN(modified) ? undefined : modified / 1000,
  }
}

/** Sets the headers of a body, which a 304 does not have. */
export function describeBody(res: ServeResponse, { entry, name, encoding }: Representation, settings: Settings): void {
  const { contentType, attachment } = settings
  if (!res.hasHeader('Content-Type')) {
    const own: unknown =
      typeof contentType === 'function' ? Reflect.apply(contentType, undefined, [entry.path.toString()]) : contentType
    res.setHeader('Content-Type', typeof own === 'string' ? own : typeOf(name))
  }
  if (encoding !== undefined) res.setHeader('Content-Encoding', encoding)
  if (attachment === false || res.hasHeader('Content-Disposition')) return
  res.setHeader('Content-Disposition', contentDisposition(attachment === true ? name : basename(attachment)))
}

function setUnlessSet(res: ServeResponse, name: string, value: string): void {
  if (!res.hasHeader(name)) res.setHeader(name, value)
}

/** Adds Accept-Encoding to Vary. */
export function vary(res: ServeResponse): void {
  const present: unknown = res.getHeader('Vary')
  const names = Array.isArray(present) ? present.join(', ') : typeof present === 'string' ? present : ''
  if (/(?:^|,)\s*(?:\*|accept-encoding)\s*(?:,|$)/i.test(names)) return
  res.setHeader('Vary', names === '' ? 'Accept-Encoding' : `${names}, Accept-Encoding`)
}

/** The type by the extension, with UTF-8 as the charset of text. */
export function typeOf(name: string): string {
  const type = name.includes('.') ? lookup(name) : undefined
  if (type === undefined) return 'application/octet-stream'
  return type.startsWith('text/') ? `${type}; charset=utf-8` : type
}

/**
 * Made of the size and the modification time in nanoseconds: in whole seconds, a file that is rewritten within a second would
 * count as unchanged. Two changes within one tick of the kernel's clock (a few ms) have the same time, so a tag is strong only
 * if the file has not changed for a second.
 */
function tagOf({ size, mtimeNs, ctimeNs, ino }: fs.BigIntStats, kind: 'weak' | 'strong'): string {
  const isMark = mtimeNs <= SECOND
  const parts = kind === 'strong' || isMark ? [size, ...(isMark ? [] : [mtimeNs]), ctimeNs, ino] : [size, mtimeNs]
  const tag = `"${parts.map((part) => part.toString(16)).join('-')}"`
  if (kind === 'weak') return `W/${tag}`
  const rested = BigInt(Date.now()) * 1_000_000n - (mtimeNs > ctimeNs ? mtimeNs : ctimeNs)
  return rested > SECOND ? tag : `W/${tag}`
}

/** `undefined` for the time of a reproducible build. Never later than now (RFC 9110 section 8.8.2.1). */
function secondsOf({ mtimeNs }: fs.BigIntStats): number | undefined {
  if (mtimeNs <= SECOND) return undefined
  return Math.min(Number(mtimeNs / SECOND), Math.floor(Date.now() / 1000))
}

/** A tag that a function has returned, with or without quotes. */
function ownTag(tag: unknown): string | undefined {
  if (tag === undefined || tag === null || tag === false) return undefined
  if (typeof tag !== 'string') throw invalidType('options.etag()', 'of type string', tag)
  const quoted = TAG.test(tag) ? tag : `"${tag}"`
  if (!TAG.test(quoted)) throw invalidValue('options.etag()', tag, 'must return an entity-tag')
  return quoted
}

function ownDate(date: unknown): number | undefined {
  if (date === undefined || date === null || date === false) return undefined
  const time = date instanceof Date ? date.getTime() : date
  if (typeof time !== 'number' || Number.isNaN(new Date(time).getTime())) {
    throw invalidType('options.lastModified()', 'a Date or of type number', date)
  }
  return Math.floor(time / 1000)
}

function lazily<T>(make: () => T): () => T {
  let made: T | undefined
  return () => (made ??= make())
}

const FIGURES = ['dev', 'mode', 'nlink', 'uid', 'gid', 'rdev', 'blksize', 'ino', 'size', 'blocks'] as const
const TIMES = ['atime', 'mtime', 'ctime', 'birthtime'] as const

/** The `fs.Stats` that the functions of the options receive. */
function statsOf(stat: fs.BigIntStats): fs.Stats {
  const stats: fs.Stats = Object.create(fs.Stats.prototype)
  for (const name of FIGURES) stats[name] = Number(stat[name])
  for (const name of TIMES) {
    const ms = Number(stat[`${name}Ns`]) / 1e6
    stats[`${name}Ms`] = ms
    Object.defineProperty(stats, name, { configurable: true, enumerable: true, writable: true, value: new Date(ms) })
  }
  return stats
}
