/**
 * The functions of `fs` that a file stream calls, for one stream. Calls that need no disk are made synchronously, and call back
 * in a later turn of the event loop, like a thread of the pool; waking a thread takes the event loop longer than such a call.
 * Everything else is done by `fs`, as it is at the time of the call.
 */
import fs from 'node:fs'
import { setImmediate } from 'node:timers'

import { native } from '../native/load.ts'
import { environment } from '../executor/kernel.ts'
import { figuresOf, type Opened, status } from '../file/native-file.ts'
import { closesOwn, readsOwn } from '../node/unpatched.ts'
import { isSameFile } from '../file/same-file.ts'
import type { FileStream } from '../node/readable.ts'
import type { Settings } from '../options/read-stream.ts'
import { opensNatively } from './open.ts'
import { closeOnceUnreachable, isUnread } from './unreachable.ts'

type OpenCallback = (error: Error | null, fd: number) => void
type ReadCallback = (error: Error | null, bytesRead: number, buffer: Uint8Array) => void
type CloseCallback = (error?: Error | null) => void

/** The size up to which a file is read sooner than a marker is sent, and than a thread of the pool is woken. */
export const SMALL = 64 * 1024

/** Fake timers replace the one of `timers`, and stock streams need none. */
const soon = setImmediate

/**
 * Whether this thread is a worker: process.abort and its like are disabled there (lib/internal/process/worker_thread_only.js).
 * The module node:worker_threads replaces process.chdir when it is loaded (lib/internal/worker.js).
 */
const isWorker = Reflect.get(process.abort, 'disabled') === true

/** A worker counts the descriptors that `fs` opens, and warns of another that is closed (src/env.cc, RemoveUnmanagedFd). */
const opensAtOnce = !isWorker && native !== undefined

/** How a stream was created. */
export interface Opening {
  readonly settings: Settings
  /** Opens the path of the stream; `undefined` if the stream was given a descriptor or an `fs`. */
  readonly file: CachedFile | undefined
}

export class CachedFile {
  /** The file as it was when it was opened; `undefined` where `fs` has opened it. */
  opened: Opened | undefined
  /** Let go when the file is open: from then on, the file must not keep its stream from being collected. */
  #stream: FileStream | undefined

  constructor(stream: FileStream) {
    this.#stream = stream
  }

  open(path: string | Buffer, flags: fs.OpenMode, mode: number, callback: OpenCallback): void {
    const fd = flags === 'r' && opensAtOnce && opensNatively() ? this.#open(path) : -1
    if (fd < 0) fs.open(path, flags, mode, (error, opened) => this.#tell(callback, error, opened))
    else soon(CachedFile.#opened, this, callback, fd)
  }

  static #opened(file: CachedFile, callback: OpenCallback, fd: number): void {
    file.#tell(callback, null, fd)
  }

  #tell(callback: OpenCallback, error: Error | null, fd: number): void {
    const stream = this.#stream
    this.#stream = undefined
    const wasUnread = stream !== undefined && !error && isUnread(stream)
    callback(error, fd)
    if (wasUnread) closeOnceUnreachable(stream, this, fd)
  }

  /** `fs` has to see the same file behind the number: a virtual file system does not. */
  #open(path: string | Buffer): number {
    const fd = native?.openFileCached(typeof path === 'string' ? Buffer.from(path) : path, status) ?? -1
    if (fd < 0) return fd
    const opened = figuresOf(fd)
    if (isSameFile(opened)) {
      this.opened = opened
      return fd
    }
    environment().discard(fd)
    return -1
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
    const bytesRead = isSmall && readsOwn() ? readAtOnce() : -1
    // The end is told in the turn of the last chunk: until the next one, a peer that has it all may leave.
    if (bytesRead === 0) callback(null, 0, buffer)
    else if (bytesRead > 0) soon(callback, null, bytesRead, buffer)
    else fs.read(fd, buffer, offset, length, position ?? null, isSmall ? remembering : callback)

    /** Where the kernel does not tell what is in memory, what was read a moment ago is. */
    function remembering(error: Error | null, bytes: number, into: Uint8Array): void {
      if (error === null && bytes > 0) native?.wasRead(fd, position ?? -1, bytes)
      callback(error, bytes, into)
    }

    function readAtOnce(): number {
      return native?.readCached(fd, buffer.subarray(offset, offset + length), position ?? -1) ?? -1
    }
  }

  close(fd: number, callback: CloseCallback): void {
    if (this.opened !== undefined && closesOwn() && native?.closeNamed(fd) === true) soon(callback, null)
    else fs.close(fd, callback)
  }
}
