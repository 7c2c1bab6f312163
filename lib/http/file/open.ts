/**
 * Opens what a path names, and asks the descriptor what it is: the size that is announced is the size of what is sent, and
 * no file can be swapped for another between a check and the open.
 */
import fs from 'node:fs'

import { codeOf } from '../../errors/figures.ts'
import { closeAtOnce, openAtOnce } from '../../source/at-once.ts'
import { realpath, type Root } from './root.ts'

/** An open file or folder. `close()` must be called once. */
export interface OpenEntry {
  readonly fd: number
  readonly path: Buffer
  readonly stat: fs.BigIntStats
  close(): void | Promise<void>
}

/** Not there, or not to be given out: the status to answer with. */
export type Refused = 403 | 404

/** Which files may be given out by a path. */
export interface Rule {
  readonly root: Root | undefined
  readonly symlinks: 'follow' | 'within-root' | 'deny'
}

/** open(2) waits for the writer of a FIFO and for some devices; with O_NONBLOCK it does not. */
const { O_RDONLY, O_NONBLOCK = 0, O_NOCTTY = 0 } = fs.constants
const FLAGS = O_RDONLY | O_NONBLOCK | O_NOCTTY

/** What open(2) says of a path that leads nowhere; ENXIO is a socket, ENODEV and ENXIO a device without a driver. */
const MISSING: ReadonlySet<unknown> = new Set(['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP', 'ENXIO', 'ENODEV'])
const FORBIDDEN: ReadonlySet<unknown> = new Set(['EACCES', 'EPERM', 'ERR_ACCESS_DENIED'])

/**
 * Opens a regular file or a folder. Synchronous where neither a disk nor a server has to be asked.
 * @throws Node's error of a fault of the server: EMFILE, EIO, …
 */
export function openEntry(path: Buffer, rule: Rule): OpenEntry | Refused | Promise<OpenEntry | Refused> {
  const opened = openAtOnce(path)
  return opened === undefined ? openLater(path, rule) : admit(new Cached(opened.fd, path), rule)
}

async function openLater(path: Buffer, rule: Rule): Promise<OpenEntry | Refused> {
  let fd: number
  try {
    fd = await new Promise((resolve, reject) => {
      fs.open(path, FLAGS, (error, opened) => (error === null ? resolve(opened) : reject(error)))
    })
  } catch (error) {
    const code = codeOf(error)
    if (MISSING.has(code)) return 404
    if (FORBIDDEN.has(code)) return 403
    throw error
  }
  const stat = await statOf(fd).catch((error: unknown) => {
    fs.close(fd, () => {})
    throw error
  })
  return admit(new Opened(fd, path, stat), rule)
}

/** Closes what is neither a regular file nor a folder, and what the rule forbids. */
function admit(entry: OpenEntry, { root, symlinks }: Rule): OpenEntry | Refused | Promise<OpenEntry | Refused> {
  if (!entry.stat.isFile() && !entry.stat.isDirectory()) return refuse(entry, 404)
  if (symlinks === 'follow') return entry
  const isOut = symlinks === 'deny' ? 403 : 404
  const real = realPath(entry)
  if (real !== undefined && isAllowed(real, entry, root, symlinks)) return entry
  return admitLater(entry, real, root, symlinks).then((allowed) => (allowed ? entry : refuse(entry, isOut)))
}

/** The root may have been replaced by another folder, or be a symbolic link to another one now. */
async function admitLater(
  entry: OpenEntry,
  real: Buffer | undefined,
  root: Root | undefined,
  symlinks: Rule['symlinks'],
): Promise<boolean> {
  try {
    await root?.refresh()
    const path = real ?? (await realPathLater(entry))
    return isAllowed(path, entry, root, symlinks)
  } catch {
    return false // It is gone, or is another file by now.
  }
}

function isAllowed(real: Buffer, { path }: OpenEntry, root: Root | undefined, symlinks: Rule['symlinks']): boolean {
  if (symlinks === 'within-root') return root?.holds(real) ?? true
  return real.equals(root?.realOf(path) ?? path)
}

/**
 * Where the kernel says that the open file is (proc_pid_fd(5)): true of this descriptor, whatever has become of the path.
 * Asks no server. `undefined` where there is no proc(5).
 */
function realPath({ fd, stat }: OpenEntry): Buffer | undefined {
  let link: Buffer
  try {
    link = fs.readlinkSync(`/proc/self/fd/${fd}`, 'buffer')
  } catch {
    return undefined
  }
  if (link[0] !== 0x2f) return undefined
  const isDeleted = stat.nlink === 0n && link.subarray(-DELETED.length).equals(DELETED)
  return isDeleted ? link.subarray(0, -DELETED.length) : link
}

const DELETED = Buffer.from(' (deleted)')

/** By the path, and only if it still leads to the file that is open. */
async function realPathLater({ path, stat }: OpenEntry): Promise<Buffer> {
  const real = await realpath(path)
  const { dev, ino } = await fs.promises.lstat(real, { bigint: true })
  if (dev !== stat.dev || ino !== stat.ino) throw new Error('the path leads to another file by now')
  return real
}

function refuse<Status extends Refused>(entry: OpenEntry, status: Status): Status {
  void entry.close()
  return status
}

function statOf(fd: number): Promise<fs.BigIntStats> {
  return new Promise((resolve, reject) => {
    fs.fstat(fd, { bigint: true }, (error, stat) => (error === null ? resolve(stat) : reject(error)))
  })
}

/** Opened by `fs`, on a thread of the pool. */
class Opened implements OpenEntry {
  readonly fd: number
  readonly path: Buffer
  readonly stat: fs.BigIntStats

  constructor(fd: number, path: Buffer, stat: fs.BigIntStats) {
    this.fd = fd
    this.path = path
    this.stat = stat
  }

  close(): void | Promise<void> {
    return new Promise((resolve) => {
      fs.close(this.fd, () => resolve())
    })
  }
}

/** Opened at once, so on a filesystem that has no server: fstat(2) does not wait. */
class Cached extends Opened {
  constructor(fd: number, path: Buffer) {
    super(fd, path, fs.fstatSync(fd, { bigint: true }))
  }

  override close(): void | Promise<void> {
    return closeAtOnce(this.fd) ? undefined : super.close()
  }
}
