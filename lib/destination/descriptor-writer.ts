/** Writes to a descriptor in JavaScript. */
import fs from 'node:fs'
import net from 'node:net'
import { constants } from 'node:os'
import tty from 'node:tty'

import type { Taker } from '../executor/portable.ts'
import { systemError } from '../errors/sendfile-error.ts'
import { KIND } from '../native/codes.ts'
import { doNotBlock, handleFd, outstanding } from '../node/handle.ts'
import { closeUnused, reopen } from '../source/pipe.ts'

const { EAGAIN, EIO } = constants.errno
/** The largest write to a pipe that is atomic: pipe(7). */
const PIPE_BUF = 4096

/** Writes chunks. Each promise resolves when the kernel has accepted the whole chunk. */
export interface Writer extends Required<Taker> {
  /** Must be set before the first chunk. */
  progress: Taker['progress']
  close(): void
}

/**
 * The writer for a kind of descriptor: a value of `KIND`.
 * @throws {SendfileError} ERR_SENDFILE_UNSUPPORTED
 */
export function writerTo(fd: number, kind: number): Writer {
  if (kind === KIND.fifo || kind === KIND.terminal) return new StreamWriter(fd, kind === KIND.terminal)
  return new FileWriter(fd)
}

/** Reports EIO for a write of zero bytes instead of retrying forever. @throws {SendfileError} EIO */
function rejectZero(bytes: number): number {
  if (bytes === 0) throw systemError(-EIO, 'write')
  return bytes
}

/** Calls `fs.write` at the file position. A thread of libuv waits for the disk, never for a reader. */
class FileWriter implements Writer {
  progress: Taker['progress'] = () => {}
  /** A thread waits for the disk only. */
  readonly wouldBlock = 0
  readonly #fd: number
  #left = 0
  #last: Promise<void> = Promise.resolve()

  constructor(fd: number) {
    this.#fd = fd
  }

  take(chunk: Buffer): Promise<void> {
    this.#last = this.#all(chunk)
    return this.#last
  }

  outstanding(): number {
    return this.#left
  }

  /** Waits for the write in progress, because the number may be reused once it is closed. */
  async unsent(): Promise<number> {
    await this.#last.catch(() => {})
    return this.#left
  }

  async #all(chunk: Buffer): Promise<void> {
    this.#left = chunk.length
    while (this.#left > 0) this.#left -= rejectZero(await this.#once(chunk.subarray(-this.#left)))
  }

  close(): void {}

  #once(chunk: Buffer): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.write(this.#fd, chunk, 0, chunk.length, null, (error, bytes) =>
        error === null ? resolve(bytes) : reject(error),
      )
    })
  }
}

/** Writes to a pipe or terminal with libuv. It sets O_NONBLOCK, and therefore gets its own open file description. */
class StreamWriter implements Writer {
  progress: Taker['progress'] = () => {}
  readonly #stream: net.Socket
  #error: Error | undefined
  /** Bytes of the last chunk that the kernel has not accepted. */
  #left = 0
  /** Bytes of the last chunk that have been passed to libuv. */
  #inLibuv = 0
  wouldBlock = 0

  constructor(fd: number, isTerminal: boolean) {
    const own = reopen(fd, 'written to', isTerminal)
    if (isTerminal) {
      const terminal = new tty.WriteStream(own)
      closeUnused(own, terminal)
      doNotBlock(terminal)
      this.#stream = terminal
    } else {
      this.#stream = new net.Socket({ fd: own, readable: false })
    }
    this.#stream.on('error', (error) => {
      this.#error = error
    })
  }

  /** If the pipe is full, waits with a write that is atomic, because libuv does not report the progress of a failed write. */
  async take(chunk: Buffer): Promise<void> {
    this.#left = chunk.length
    while (this.#left > 0) {
      if (this.#error !== undefined) throw this.#error
      const remaining = chunk.subarray(-this.#left)
      const bytes = this.#writeNow(remaining)
      if (bytes !== undefined) this.#left -= rejectZero(bytes)
      else {
        this.wouldBlock += 1
        await this.#writeLater(remaining.subarray(0, PIPE_BUF))
      }
    }
  }

  /** Writes without waiting; `undefined` if the pipe is full. */
  #writeNow(chunk: Buffer): number | undefined {
    try {
      return fs.writeSync(handleFd(this.#stream), chunk)
    } catch (error) {
      if (error instanceof Error && 'errno' in error && error.errno === -EAGAIN) return undefined
      throw error
    }
  }

  #writeLater(part: Buffer): Promise<void> {
    this.#inLibuv = part.length
    return new Promise((resolve, reject) => {
      this.#stream.write(part, (error) => {
        this.#inLibuv = 0
        if (error) return reject(error)
        this.#left -= part.length
        resolve()
      })
    })
  }

  /** `writableLength` includes the whole part until all of it has been written; the queue of libuv only the rest of it. */
  outstanding(): number {
    if (this.#inLibuv === 0) return this.#left
    return this.#left - this.#inLibuv + outstanding(this.#stream) - this.#stream.writableLength
  }

  async unsent(): Promise<number> {
    return this.outstanding()
  }

  close(): void {
    this.#stream.destroy()
  }
}
