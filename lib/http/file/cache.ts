/**
 * Open files that are kept for the next request. A file is opened again after `maxAge`; until then, its descriptor is
 * examined for every request, so that the announced size is always the current one.
 */
import { performance } from 'node:perf_hooks'
import fs from 'node:fs'

import { openEntry, type OpenEntry, type Refused, type Rule } from './open.ts'
import type { CacheLimits } from '../request/settings.ts'

/** One cache for each object that is passed as the option `cache`. */
const caches = new WeakMap<object, FileCache>()

/** The cache of an option; `limits` are its values. */
export function cacheOf(option: object, limits: CacheLimits): FileCache {
  const found = caches.get(option) ?? new FileCache(limits)
  caches.set(option, found)
  return found
}

/**
 * A body is kept if the file has not changed for a second: before Linux 6.13 (multigrain timestamps), two changes within one
 * tick of the kernel's clock have the same time.
 */
const SECOND = 1_000_000_000n

export class FileCache {
  readonly #limits: CacheLimits
  /** In the order of their last use. */
  readonly #files = new Map<string, KeptFile>()
  #sweep: NodeJS.Timeout | undefined

  constructor(limits: CacheLimits) {
    this.#limits = limits
  }

  /** The same as `openEntry()`. Keeps only files that were opened at once, because fstat(2) of others may wait. */
  open(path: Buffer, rule: Rule): OpenEntry | Refused | Promise<OpenEntry | Refused> {
    const key = `${rule.symlinks} ${rule.root?.path.toString('latin1') ?? ''}\0${path.toString('latin1')}`
    const kept = this.#take(key)
    if (kept !== undefined) return kept
    const found = openEntry(path, rule)
    if (typeof found === 'number' || found instanceof Promise || !found.stat.isFile()) return found
    return this.#keep(key, found)
  }

  #take(key: string): OpenEntry | undefined {
    const file = this.#files.get(key)
    if (file === undefined) return undefined
    this.#files.delete(key)
    const lease = this.#isExpired(file) ? undefined : file.lease()
    if (lease === undefined) file.drop()
    else this.#files.set(key, file)
    return lease
  }

  #keep(key: string, entry: OpenEntry): OpenEntry {
    const file = new KeptFile(entry)
    this.#files.set(key, file)
    for (const [oldest, { drop }] of this.#files) {
      if (this.#files.size <= this.#limits.entries) break
      this.#files.delete(oldest)
      drop()
    }
    this.#sweep ??= setInterval(() => this.#dropExpired(), this.#limits.maxAge).unref()
    return file.lease() ?? entry
  }

  #isExpired({ openedAt }: KeptFile): boolean {
    return performance.now() - openedAt >= this.#limits.maxAge
  }

  /** A file that is not requested any more is closed as well, so that a deleted one frees its space. */
  #dropExpired(): void {
    for (const [key, file] of this.#files) {
      if (!this.#isExpired(file)) continue
      this.#files.delete(key)
      file.drop()
    }
    if (this.#files.size > 0) return
    clearInterval(this.#sweep)
    this.#sweep = undefined
  }
}

/** An open file, which is closed once it is dropped and no request uses it. */
class KeptFile {
  readonly openedAt = performance.now()
  readonly #entry: OpenEntry
  #stat: fs.BigIntStats
  #users = 0
  #isDropped = false
  #body: Buffer | undefined

  constructor(entry: OpenEntry) {
    this.#entry = entry
    this.#stat = entry.stat
  }

  /** For one request; `undefined` if the file has been deleted or replaced by another. */
  lease(): OpenEntry | undefined {
    const { fd, path } = this.#entry
    const stat = fs.fstatSync(fd, { bigint: true })
    if (stat.nlink === 0n) return undefined
    const { size, mtimeNs, ctimeNs } = this.#stat
    if (stat.size !== size || stat.mtimeNs !== mtimeNs || stat.ctimeNs !== ctimeNs) this.#body = undefined
    this.#stat = stat
    this.#users += 1
    return {
      fd,
      path,
      stat,
      body: this.#body,
      keep: (body) => this.#keepBody(stat, body),
      close: () => this.#release(),
    }
  }

  /** `stat`: of before the body was read. A change since then changes the time. */
  #keepBody(stat: fs.BigIntStats, body: Buffer): void {
    const hasRested = BigInt(Date.now()) * 1_000_000n - stat.ctimeNs > SECOND
    if (hasRested && stat === this.#stat) this.#body = body
  }

  readonly drop = (): void => {
    this.#isDropped = true
    if (this.#users === 0) void this.#entry.close()
  }

  #release(): void | Promise<void> {
    this.#users -= 1
    return this.#isDropped && this.#users === 0 ? this.#entry.close() : undefined
  }
}
