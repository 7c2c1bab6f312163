/**
 * The functions of `fs` that a file stream calls, for one stream. Calls that need no disk are made synchronously, and call back
 * in a later turn of the event loop, like a thread of the pool; waking a thread takes the event loop longer than such a call.
 * Everything else is done by `fs`, as it is at the time of the call.
 */
import fs from 'node:fs'
import { setImmediate } from 'node:timers'

import { native } from '../native/load.ts'
import type { Opened } from '../file/native-file.ts'
import type { FileStream } from '../node/readable.ts'
import type { Settings } from '../options/read-stream.ts'
import { readAtOnce } from '../node/fs.ts'
import { closeAtOnce, openAtOnce } from './at-once.ts'
import { closeOnceUnreachable, isUnread } from './unreachable.ts'

type OpenCallback = (error: Error | null, fd: number) => void
type ReadCallback = (error: Error | null, bytesRead: number, buffer: Uint8Array) => void
type CloseCallback = (error?: Error | null) => void

/** The size up to which reading a file is faster than sending a marker or waking a thread of the pool. */
export const SMALL = 64 * 1024

/** Captured at load: fake timers replace the function, and stock streams do not depend on it. */
const soon = setImmediate

/** How a stream was created. */
export interface Opening {
  readonly settings: Settings
  /** Opens the path of the stream; `undefined` if the stream was given a descriptor or an `fs`. */
  readonly file: CachedFile | undefined
}

export class CachedFile {
  /** The status of the file when it was opened; `undefined` if `fs` opened it. */
  opened: Opened | undefined
  /** Cleared when the file is open, so that the file does not prevent the collection of its stream as garbage. */
  #stream: FileStream | undefined

  constructor(stream: FileStream) {
    this.#stream = stream
  }

  open(path: string | Buffer, flags: fs.OpenMode, mode: number, callback: OpenCallback): void {
    this.opened = flags === 'r' ? openAtOnce(path) : undefined
    if (this.opened === undefined) fs.open(path, flags, mode, (error, opened) => this.#called(callback, error, opened))
    else soon(CachedFile.#opened, this, callback, this.opened.fd)
  }

  static #opened(file: CachedFile, callback: OpenCallback, fd: number): void {
    file.#called(callback, null, fd)
  }

  #called(callback: OpenCallback, error: Error | null, fd: number): void {
    const stream = this.#stream
    this.#stream = undefined
    const wasUnread = stream !== undefined && !error && isUnread(stream)
    callback(error, fd)
    if (wasUnread) closeOnceUnreachable(stream, this, fd)
  }

  read(
    fd: number,
    buffer: Buffer,
    offset: number,
    length: number,
    position: number | undefined,
    callback: ReadCallback,
  ): void {
    const isSmall = this.opened !== undefined && this.opened.size <= SMALL
    const bytesRead = isSmall ? readAtOnce(fd, buffer.subarray(offset, offset + length), position ?? -1) : -1
    // The end is reported in the turn of the last chunk, because the peer may disconnect before the next turn.
    if (bytesRead === 0) callback(null, 0, buffer)
    else if (bytesRead > 0) soon(callback, null, bytesRead, buffer)
    else fs.read(fd, buffer, offset, length, position ?? null, isSmall ? remembering : callback)

    /** Reports the read to the addon: if the kernel does not report which pages are in memory, recent reads count. */
    function remembering(error: Error | null, bytes: number, into: Uint8Array): void {
      if (error === null && bytes > 0) native?.wasRead(fd, position ?? -1, bytes)
      callback(error, bytes, into)
    }
  }

  close(fd: number, callback: CloseCallback): void {
    if (this.opened !== undefined && closeAtOnce(fd)) soon(callback, null)
    else fs.close(fd, callback)
  }
}
