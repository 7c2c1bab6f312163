/** The portable executor: asks the planner what comes next, reads it and hands it on, in JavaScript. */
import fs from 'node:fs'

import { anyBinding, END } from './binding.ts'
import type { Bytes } from './options.ts'
import type { OpenFile } from './source.ts'

/** Which bytes of which file. */
export interface Range {
  readonly file: OpenFile
  /** The first byte; the source's own position if `ownPosition`. */
  readonly offset: Bytes
  readonly ownPosition: boolean
  /** `undefined`: until the file ends. */
  readonly count: Bytes | undefined
}

/** How a range ended, by whichever executor. */
export interface RangeEnd {
  readonly bytesSent: number
  /** A value of `END`. */
  readonly end: number
  /** The kernel's answer behind it, positive; 0 if there is none. */
  readonly errno: number
  readonly syscalls: number
  readonly wouldBlock: number
  /** What the file or the destination threw. */
  readonly error?: unknown
  /** The socket was destroyed meanwhile, with or without an error. */
  readonly destroyedBy?: { readonly error: Error | null }
}

/** Takes a chunk; a promise if the destination asked to wait, pending until it goes on. */
export type TakeChunk = (chunk: Buffer) => Promise<void> | undefined

/**
 * Moves a range. `chunkSize` in bytes. `cancelled` is asked between any two steps. Never rejects.
 */
export async function copyRange(
  range: Range,
  chunkSize: number,
  take: TakeChunk,
  cancelled: () => boolean,
): Promise<RangeEnd> {
  const { file, ownPosition } = range
  const planner = new (anyBinding().Planner)(range.offset, range.count ?? null, chunkSize)
  let failure: { error: unknown } | undefined
  try {
    for (let size = planner.attempt(); size > 0; size = planner.attempt()) {
      // Without the addon nothing can set the position of a descriptor: reading has to move it.
      const position = ownPosition && file.native === undefined ? null : planner.offset
      const chunk = cancelled() ? undefined : await read(file.fd, size, position)
      if (chunk === undefined || cancelled()) {
        planner.abort()
      } else if (chunk.length === 0) {
        planner.endOfFile()
      } else {
        const full = take(chunk)
        planner.moved(chunk.length, full !== undefined)
        await full
      }
    }
  } catch (error) {
    failure = { error }
  }
  if (ownPosition && file.native !== undefined) file.native.position = planner.offset
  const { bytesSent, wouldBlock } = planner
  return { bytesSent, end: planner.end ?? END.failed, errno: 0, syscalls: 0, wouldBlock, ...failure }
}

/** A fresh buffer for each chunk: who takes it may keep it. */
function read(fd: number, size: number, position: Bytes | null): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(size)
  return new Promise((resolve, reject) => {
    fs.read(fd, buffer, 0, size, position, (error, bytes) => {
      if (error === null) resolve(bytes === size ? buffer : buffer.subarray(0, bytes))
      else reject(error)
    })
  })
}
