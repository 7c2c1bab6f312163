/** The addon's duplicate of a descriptor of the caller's, and whether `fs` sees the same file behind the number. */
import type fs from 'node:fs'
import { constants } from 'node:os'

import { closeNatively, duplicate, duplicateOnThread, identify, type Opened, opensSources } from './native-file.ts'
import { statLater } from '../node/fs.ts'
import type { Identity } from '../executor/range.ts'
import { isNamedBy, isSameFile } from './same-file.ts'

const { EAGAIN } = constants.errno

/**
 * A duplicate; or why there is none: a negative errno, `undefined` where `fs` has to be asked, what `fs` says of a number
 * that stands for another file there.
 */
export type Duplicated = Opened | number | undefined | fs.Stats

/** What the caller knows of the descriptor, and wants to know. */
export interface Wish {
  /** The file that we have opened by this number: `fs` and the kernel need not be asked again. */
  readonly known?: Identity | undefined
  readonly withPosition: boolean
}

/** Made now: what is done with the number afterwards changes nothing. A promise where a server may have to be asked. */
export function duplicateOf(fd: number, { known, withPosition }: Wish): Duplicated | Promise<Duplicated> {
  const opened = opensSources ? duplicate(fd, withPosition, known) : undefined
  if (opened === -EAGAIN) return duplicateLater(fd)
  if (typeof opened !== 'object') return opened
  const isKnown = opened.device === known?.device && opened.inode === known.inode
  if (isKnown || isSameFile(opened, fd)) return opened
  closeNatively(opened.fd)
  return undefined
}

async function duplicateLater(fd: number): Promise<Duplicated> {
  // A virtual file system answers for its own files.
  const asked = statLater(fd).catch(() => undefined)
  const opened = await duplicateOnThread(fd)
  if (typeof opened === 'number') return opened
  const theirs = await asked
  // The number may be another file's by now, or nobody's: that is not the file that was named.
  if (theirs === undefined || isNamedBy(opened, theirs) || isNamedBy(identify(fd), theirs)) return opened
  closeNatively(opened.fd)
  return theirs
}
