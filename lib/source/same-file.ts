/** Whether `fs` and the addon see the same file. A virtual file system is only visible to `fs`. */
import fs from 'node:fs'

import type { Opened } from '../native/file.ts'

/** Asks at once, so of a file for which no server has to be asked. `fd`: where it is not the addon's own number. */
export function isSameFile(opened: Opened, fd: number = opened.fd): boolean {
  try {
    const stats = fs.fstatSync(fd)
    return isNamedBy(opened, stats) && opened.size === stats.size
  } catch {
    return false
  }
}

/** The same on a thread of the pool. Somebody else may write to the file meanwhile: its size says nothing. */
export function isSameFileLater(opened: Opened): Promise<boolean> {
  return new Promise((resolve) => {
    fs.fstat(opened.fd, (error, stats) => resolve(error === null && isNamedBy(opened, stats)))
  })
}

/** Whether the figures are of the same file. */
export function isNamedBy({ device, inode }: Opened, { dev, ino }: fs.Stats): boolean {
  return device === dev && inode === ino
}
