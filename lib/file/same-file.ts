/** Whether `fs` and the addon see the same file. A virtual file system is only visible to `fs`. */
import fs from 'node:fs'

import type { Opened } from './native-file.ts'
import { statLater } from '../node/fs.ts'
import type { Identity } from '../executor/range.ts'

/**
 * Whether `fs` sees the file that the addon has opened. Synchronous, so only for files without a server. `fd` is the number
 * for `fs`. `fs` is always asked, because a mock file system may have replaced the binding below Node's own functions.
 */
export function isSameFile(opened: Opened, fd: number = opened.fd): boolean {
  try {
    const stats = fs.fstatSync(fd)
    return isNamedBy(opened, stats) && Number(opened.size) === stats.size
  } catch {
    return false
  }
}

/** The same on a thread of the pool. The size is not compared, because it may change meanwhile. */
export async function isSameFileLater(opened: Opened): Promise<boolean> {
  const stats = await statLater(opened.fd).catch(() => undefined)
  return stats !== undefined && isNamedBy(opened, stats)
}

/** Whether an identity and a status are of the same file. */
export function isNamedBy(identity: Identity | undefined, { dev, ino }: fs.Stats): boolean {
  return identity?.device === dev && identity.inode === ino
}
