/**
 * Opens a path first and examines the descriptor afterwards. The announced size is therefore the size of the file that is
 * sent, and no file can be replaced by another one between a check and the open.
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
  /** The bytes of the file, if they are cached. */
  readonly body?: Buffer | undefined
  /** Caches the bytes of the file, if that is wanted. */
  readonly keep?: ((body: Buffer) => void) | undefined
  close(): void | Promise<void>
}

/** The status for a file that does not exist or must not be sent. */
export type Refused = 403 | 404

/** Which files a path may lead to. */
export interface Rule {
  readonly root: Root | undefined
  readonly symlinks: 'follow' | 'within-root' | 'deny'
}

/** Without O_NONBLOCK, open(2) waits for the writer of a FIFO, and for some devices. */
const { O_RDONLY, O_NONBLOCK = 0, O_NOCTTY = 0 } = fs.constants
const FLAGS = O_RDONLY | O_NONBLOCK | O_NOCTTY

/** The errors of open(2) that mean 404. ENXIO: a socket, or a device without a driver. ENODEV: a device without a driver. */
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

/** Closes and refuses an entry that is neither a regular file nor a folder, or that the rule forbids. */
function admit(entry: OpenEntry, { root, symlinks }: Rule): OpenEntry | Refused | Promise<OpenEntry | Refused> {
  if (!entry.stat.isFile() && !entry.stat.isDirectory()) return refuse(entry, 404)
  if (symlinks === 'follow') return entry
  const isOut = symlinks === 'deny' ? 403 : 404
  const real = realPath(entry)
  if (real !== undefined && isAllowed(real, entry, root, symlinks)) return entry
  return admitLater(entry, real, root, symlinks).then((allowed) => (allowed ? entry : refuse(entry, isOut)))
}

/** Checks again: the root may have been replaced, or may be a symbolic link to another folder by now. */
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
 * The path that the kernel reports for the open file (proc_pid_fd(5)). It belongs to this descriptor, even if the path of
 * the request leads elsewhere by now. Reading it never waits for a server. `undefined` without proc(5).
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

/** The same without proc(5), by the path. Rejects unless the path still leads to the open file. */
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

/** Opened at once, and therefore on a filesystem without a server: fstat(2) does not wait. */
class Cached extends Opened {
  constructor(fd: number, path: Buffer) {
    super(fd, path, fs.fstatSync(fd, { bigint: true }))
  }

  override close(): void | Promise<void> {
    return closeAtOnce(this.fd) ? undefined : super.close()
  }
}
