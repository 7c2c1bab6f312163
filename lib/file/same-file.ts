/** Whether `fs` and the addon see the same file. A virtual file system is only visible to `fs`. */
import fs from 'node:fs'

import type { Opened } from './native-file.ts'
import { statLater } from '../node/fs.ts'
import type { Identity } from '../executor/range.ts'

/**
 * Asks at once, so only for a file of which no server has to be asked. `fd`: the number, unless it is the addon's own.
 * `fs` is always asked: a mock file system may have replaced the binding below functions that are Node's own.
 */
export function isSameFile(opened: Opened, fd: number = opened.fd): boolean {
  try {
    const stats = fs.fstatSync(fd)
    return isNamedBy(opened, stats) && Number(opened.size) === stats.size
  } catch {
    return false
  }
}

/** The same on a thread of the pool. Somebody else may write to the file meanwhile: its size says nothing. */
export async function isSameFileLater(opened: Opened): Promise<boolean> {
  const stats = await statLater(opened.fd).catch(() => undefined)
  return stats !== undefined && isNamedBy(opened, stats)
}

/** Whether the figures are of the same file. */
export function isNamedBy(identity: Identity | undefined, { dev, ino }: fs.Stats): boolean {
  return identity?.device === dev && identity.inode === ino
}
