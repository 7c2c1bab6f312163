/** The served files: random bytes, with checked size and residency in the page cache. */
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
const STAT_BLOCK = 512 // the unit of st_blocks, regardless of the block size of the file system: stat(3type)

/**
 * $BENCH_DIR, which is kept, or a temporary directory that is removed when the process exits.
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

/** Writes random bytes without a hole and waits for the disk: only clean pages can be evicted later. */
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

/** Asks the kernel to drop the file from the page cache. */
export const evict = (path) => pageCache('evict', path)

/**
 * Locks the files into memory until this process ends, because a kernel that reclaims proactively (DAMON) drops even
 * pages that are sent continuously: sendfile(2) sets no accessed bit in a page table.
 *
 * @param {string[]} paths
 * @returns {Promise<string>} the result, for ENV
 */
export async function holdHot(paths) {
  const child = spawn(buildNative().pageCache, ['hold', ...paths], { stdio: ['pipe', 'pipe', 'inherit'] })
  const [line] = await once(createInterface({ input: child.stdout }), 'line')
  process.on('exit', () => child.kill())
  for (const handle of [child, child.stdin, child.stdout]) handle.unref()
  const { held } = JSON.parse(line)
  return held === paths.length ? 'locked in memory' : `${held} of ${paths.length} locked in memory (ulimit -l)`
}

/** Throws unless the file has this size and is completely in the page cache; reads it again if pages were dropped. */
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
