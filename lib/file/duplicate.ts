/** Duplicates a descriptor of the caller with the addon, and checks that `fs` sees the same file. */
import type fs from 'node:fs'
import { constants } from 'node:os'

import { closeNatively, duplicate, duplicateOnThread, identify, type Opened, opensSources } from './native-file.ts'
import { statLater } from '../node/fs.ts'
import type { Identity } from '../executor/range.ts'
import { isNamedBy, isSameFile } from './same-file.ts'

const { EAGAIN } = constants.errno

/**
 * A duplicate, or the reason why there is none: a negative errno; `undefined` if `fs` must read the number; or the status
 * that `fs` reports for a number that refers to another file there.
 */
export type Duplicated = Opened | number | undefined | fs.Stats

/** How a descriptor is duplicated. */
export interface Wish {
  /** The file that this package has opened with this number, so that it need not be checked again. */
  readonly known?: Identity | undefined
  readonly withPosition: boolean
}

/** Duplicates a descriptor now, before its number can be reused. Returns a promise if a server may have to be asked. */
export function duplicateOf(fd: number, { known, withPosition }: Wish): Duplicated | Promise<Duplicated> {
  const opened = opensSources ? duplicate(fd, withPosition, known) : undefined
  if (opened === -EAGAIN) return duplicateLater(fd)
  if (typeof opened !== 'object') return opened
  const isKnown = opened.device === known?.device && opened.inode === known.inode
  if (isKnown || isSameFile(opened, fd)) return opened
  closeNatively(opened.fd)
  return undefined
}

/**
 * Duplicates a descriptor whose server may have to be asked. If `fs` cannot be asked about the number, the duplicate is used:
 * it was made in the tick of the call, and is therefore the file that the caller named.
 */
async function duplicateLater(fd: number): Promise<Duplicated> {
  // A virtual file system reports its own file.
  const status = statLater(fd).catch(() => undefined)
  const opened = await duplicateOnThread(fd)
  if (typeof opened === 'number') return opened
  const ofFs = await status
  // If the number has been closed or reused meanwhile, `fs` fails or reports the file that now has the number.
  if (ofFs === undefined || isNamedBy(opened, ofFs) || isNamedBy(identify(fd), ofFs)) return opened
  closeNatively(opened.fd)
  return ofFs
}
