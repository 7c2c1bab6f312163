/** Descriptors that `fs` reads by number: without the addon, and those of virtual file systems. */
import fs from 'node:fs'
import { constants } from 'node:os'
import tty from 'node:tty'

import { systemError, unsupported } from '../errors/sendfile-error.ts'
import { closeLater, descriptorStatus, statLater } from '../node/fs.ts'
import { mayAskServer, nameOf } from '../file/mounts.ts'
import type { Bytes } from '../options/validate.ts'
import type { Stop } from '../wait/stop.ts'
import type { OpenFile } from '../executor/range.ts'
import type { Held } from './open.ts'
import { reopen, StreamSource } from './pipe.ts'

const { EBADF, EISDIR } = constants.errno
const { O_RDONLY } = fs.constants

type Close = OpenFile['close']

/** Opens a descriptor by number. Returns a promise if the server of a filesystem may have to be asked. */
export function openNumber(fd: number, limit: Bytes | undefined, close?: Close): OpenFile | Promise<OpenFile> {
  if (mayAskServer(fd)) return openServed(fd, nameOf(fd), limit, close)
  return byNumber(fd, fs.fstatSync(fd), limit, undefined, close)
}

/** Without a duplicate, the number must still refer to the same file afterwards; otherwise nothing is sent. */
async function openServed(
  fd: number,
  name: string | undefined,
  limit: Bytes | undefined,
  close?: Close,
): Promise<OpenFile> {
  return byNumber(fd, await statNamed(fd, name), limit, undefined, close)
}

async function statNamed(fd: number, name: string | undefined): Promise<fs.Stats> {
  const stats = await statLater(fd)
  if (nameOf(fd) !== name) throw systemError(-EBADF, 'fstat')
  return stats
}

export function byNumber(
  fd: number,
  stats: fs.Stats,
  limit: Bytes | undefined,
  path: string | undefined,
  close: Close = () => {},
): OpenFile {
  // For a file, isatty(3) would be one more system call.
  const isTerminal = !stats.isFile() && tty.isatty(fd)
  if (stats.isFIFO() || isTerminal) return streamed(reopen(fd, 'read', isTerminal), isTerminal, path, limit)
  if (stats.isFile()) {
    const identity = { device: stats.dev, inode: stats.ino }
    return { fd, native: undefined, size: sizeByNode(fd, stats), path, identity, close }
  }
  if (!stats.isCharacterDevice() && !stats.isBlockDevice()) throw notSendable(stats.isDirectory(), path)
  return { fd, native: undefined, size: undefined, path, identity: undefined, close }
}

export function streamed(
  fd: number,
  isTerminal: boolean,
  path: string | undefined,
  limit: Bytes | undefined,
): OpenFile {
  const most = limit === undefined ? Infinity : Number(limit)
  // A FIFO that was opened by its path may not have a writer yet; a descriptor of the caller has had one.
  const source = new StreamSource(fd, { isTerminal, waitsForWriter: path !== undefined }, most)
  const read = (size: number, stop: Stop): Promise<Buffer> => source.read(size, stop)
  return { fd, native: undefined, size: undefined, path, identity: undefined, read, close: () => source.close() }
}

export function notSendable(directory: boolean, path: string | undefined): Error {
  if (directory) return systemError(-EISDIR, 'read', undefined, path)
  const what = path === undefined ? 'This descriptor' : `'${path}'`
  return unsupported(`${what} cannot be used as a source: expected a file, device, pipe or terminal`)
}

/** The size without the addon: that of a file of /proc (reported as 0) or /sys (reported as one page) is unknown. */
function sizeByNode(fd: number, { size, blocks }: fs.Stats): Bytes | undefined {
  const isMadeUp = size === 0 || (size === SYSFS_SIZE && blocks === 0)
  if (process.platform !== 'linux' || !isMadeUp || mayAskServer(fd)) return size
  if (size === 0) return fs.readSync(fd, Buffer.alloc(1), 0, 1, 0) === 0 ? 0 : undefined
  return fs.statfsSync(`/proc/self/fd/${fd}`).type === SYSFS ? undefined : size
}

/** statfs(2), SYSFS_MAGIC. Every attribute reports a size of one page. */
const SYSFS = 0x62656572
const SYSFS_SIZE = 4096

/* ---------------------------------------------------------------- while a transfer waits for its turn */

/** Holds the file that a number refers to now. With `ownPosition`, another descriptor of the file cannot replace it. */
export function holdNumber(fd: number, ownPosition: boolean): Held {
  const position = descriptorStatus(fd)?.position
  if (mayAskServer(fd)) return holdServed(fd, ownPosition, position)
  const stats = fs.fstatSync(fd)
  const own = stats.isFile() && !ownPosition ? openAgain(fd, stats) : undefined
  if (own === undefined) {
    return { position, open: (limit) => byNumber(fd, stillNamed(fd, stats), limit, undefined), close() {} }
  }
  return { position, open: (limit) => openNumber(own, limit, () => closeLater(own)), close: () => void closeLater(own) }
}

/** Opens the same file again, because Node has no dup(2). The new descriptor has its own position. */
function openAgain(fd: number, { dev, ino, size }: fs.Stats): number | undefined {
  if (descriptorStatus(fd)?.readable !== true) return undefined
  try {
    const own = fs.openSync(`/proc/self/fd/${fd}`, O_RDONLY)
    const stats = fs.fstatSync(own)
    if (stats.dev === dev && stats.ino === ino && stats.size === size) return own
    fs.closeSync(own) // the number belongs to a virtual file system
    return undefined
  } catch {
    return undefined // there is no proc(5), or this process may not open the file again
  }
}

/** The number must stay open until a thread has opened the file again. */
function holdServed(fd: number, ownPosition: boolean, position: Bytes | undefined): Held {
  const name = nameOf(fd)
  const again = ownPosition ? Promise.resolve(undefined) : openServedAgain(fd, name)
  return {
    position,
    open: async (limit) => {
      const own = await again
      if (own === undefined) return openServed(fd, name, limit)
      return openServed(own, name, limit, () => closeLater(own))
    },
    close: () => void again.then((own) => (own === undefined ? undefined : closeLater(own))),
  }
}

async function openServedAgain(fd: number, name: string | undefined): Promise<number | undefined> {
  if (descriptorStatus(fd)?.readable !== true) return undefined
  const stats = await statNamed(fd, name).catch(() => undefined)
  if (stats?.isFile() !== true) return undefined // a FIFO would wait for its writer
  const own = await new Promise<number | undefined>((resolve) => {
    fs.open(`/proc/self/fd/${fd}`, O_RDONLY, (error, opened) => resolve(error === null ? opened : undefined))
  })
  if (own === undefined || nameOf(own) === name) return own
  await closeLater(own)
  return undefined
}

/** The status of a number that still refers to the same file. @throws {SendfileError} EBADF if it does not */
export function stillNamed(fd: number, named: fs.Stats): fs.Stats {
  const stats = statOrUndefined(fd)
  const isStill = stats?.dev === named.dev && stats.ino === named.ino && stats.rdev === named.rdev
  if (!isStill) throw systemError(-EBADF, 'fstat')
  return stats
}

/** `fs.fstatSync` without an exception. */
export function statOrUndefined(fd: number): fs.Stats | undefined {
  try {
    return fs.fstatSync(fd)
  } catch {
    return undefined
  }
}
