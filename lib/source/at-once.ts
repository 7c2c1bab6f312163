/**
 * How a small file is opened and closed in one tick, where neither a disk nor a server has to be asked. Waking a thread of
 * the pool takes the event loop longer than such a call. It is read by `readAtOnce` of lib/node/fs.ts.
 */
import { native } from '../native/load.ts'
import { environment } from '../executor/kernel.ts'
import { isSameFile } from '../file/same-file.ts'
import { figuresOf, type Opened, status } from '../file/native-file.ts'
import { closesOwn } from '../node/unpatched.ts'
import { opensNatively } from './open.ts'

/**
 * Whether this thread is a worker: process.abort and its like are disabled there (lib/internal/process/worker_thread_only.js).
 * The module node:worker_threads replaces process.chdir when it is loaded (lib/internal/worker.js).
 */
const isWorker = Reflect.get(process.abort, 'disabled') === true

/** A worker tracks the descriptors that `fs` opens, and warns if another one is closed (src/env.cc, RemoveUnmanagedFd). */
const opensAtOnce = !isWorker && native !== undefined

/**
 * Opens a regular file; `undefined` if that could wait, for other files, and on an error. `fs` must see the same file behind
 * the descriptor, which a virtual file system does not. The caller owns the descriptor.
 */
export function openAtOnce(path: string | Buffer): Opened | undefined {
  if (!opensAtOnce || !opensNatively()) return undefined
  const fd = native?.openFileCached(typeof path === 'string' ? Buffer.from(path) : path, status) ?? -1
  if (fd < 0) return undefined
  const opened = figuresOf(fd)
  if (isSameFile(opened)) return opened
  environment().discard(fd)
  return undefined
}

/** Closes what {@link openAtOnce} has opened, unless that could wait. Returns whether it has. */
export function closeAtOnce(fd: number): boolean {
  return closesOwn() && native?.closeNamed(fd) === true
}
