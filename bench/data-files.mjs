/** The files that are served: real bytes, their size and place in the page cache known. */
import { execFileSync, spawn } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, fsyncSync, mkdirSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { buildNative } from './native/build.mjs'

const BLOCK = 1 << 20
const WARM_ATTEMPTS = 5
const STAT_BLOCK = 512 // st_blocks counts these, whatever the file system's own block is: stat(3type)

/**
 * $BENCH_DIR, kept, or a temporary directory that goes with the process.
 *
 * @returns {string}
 */
export function openDataDirectory() {
  const kept = process.env.BENCH_DIR
  if (kept) {
    mkdirSync(kept, { recursive: true })
    return kept
  }
  const directory = mkdtempSync(join(tmpdir(), 'sendfile64-bench-'))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1))
  return directory
}

function isUsable(path, bytes) {
  const stats = statSync(path, { throwIfNoEntry: false })
  return stats !== undefined && stats.size === bytes && stats.blocks * STAT_BLOCK >= bytes
}

/** Writes random bytes, without a hole, and waits for the disk: only clean pages can leave the cache again. */
export function makeFile(path, bytes) {
  if (isUsable(path, bytes)) return
  const block = randomFillSync(Buffer.allocUnsafe(Math.min(BLOCK, bytes)))
  const fd = openSync(path, 'w')
  for (let offset = 0; offset < bytes; offset += block.length) {
    block.writeUInt32LE((offset / BLOCK) >>> 0, 0)
    writeSync(fd, block, 0, Math.min(block.length, bytes - offset))
  }
  fsyncSync(fd)
  closeSync(fd)
}

const pageCache = (command, path) =>
  JSON.parse(execFileSync(buildNative().pageCache, [command, path], { encoding: 'utf8' }))

/** @returns {{ bytes: number, pages: number, resident: number }} */
export const residency = (path) => pageCache('resident', path)

/** Drops the file from the page cache as far as the kernel does so. */
export const evict = (path) => pageCache('evict', path)

/**
 * Locks the files into memory until this process ends, because a kernel that reclaims proactively (DAMON) drops even
 * pages that are sent all the time: sendfile(2) leaves no trace in a page table.
 *
 * @param {string[]} paths
 * @returns {Promise<string>} what became of it, for ENV
 */
export async function holdHot(paths) {
  const child = spawn(buildNative().pageCache, ['hold', ...paths], { stdio: ['pipe', 'pipe', 'inherit'] })
  const [line] = await once(createInterface({ input: child.stdout }), 'line')
  process.on('exit', () => child.kill())
  for (const handle of [child, child.stdin, child.stdout]) handle.unref()
  const { held } = JSON.parse(line)
  return held === paths.length ? 'locked in memory' : `${held} of ${paths.length} locked in memory (ulimit -l)`
}

/** Throws unless the file has this size and all of it is in the page cache, reading it again where pages were dropped. */
export function requireHot(path, bytes) {
  let state = residency(path)
  for (let attempt = 0; attempt < WARM_ATTEMPTS && state.resident < state.pages; attempt++)
    state = pageCache('warm', path)
  if (state.bytes !== bytes) throw new Error(`${path} has ${state.bytes} bytes instead of ${bytes}`)
  if (state.resident < state.pages) {
    throw new Error(
      `${path}: only ${state.resident} of ${state.pages} pages stay in the page cache; is there enough memory?`,
    )
  }
}
