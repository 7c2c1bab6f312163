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
/** What a pipe takes whole or not at all: pipe(7). */
const PIPE_BUF = 4096

/** Takes chunks; each promise is pending until the kernel has all of its chunk. */
export interface Writer extends Required<Taker> {
  /** To be set before the first chunk. */
  progress: Taker['progress']
  close(): void
}

/**
 * What writes to a descriptor of this kind.
 * @throws {SendfileError} ERR_SENDFILE_UNSUPPORTED
 */
export function writerTo(fd: number, kind: number): Writer {
  if (kind === KIND.fifo || kind === KIND.terminal) return new StreamWriter(fd, kind === KIND.terminal)
  return new FileWriter(fd)
}

/** Reports EIO for a write of zero bytes instead of retrying forever. @throws {SendfileError} EIO */
function something(bytes: number): number {
  if (bytes === 0) throw systemError(-EIO, 'write')
  return bytes
}

/** `fs.write` at the descriptor's own position: a thread of libuv's waits for the disk, not for a reader. */
class FileWriter implements Writer {
  progress: Taker['progress'] = () => {}
  /** What a thread waits for is a disk. */
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

  /** A write that a thread has begun, or will begin, must not meet a number that is somebody else's by then. */
  async unsent(): Promise<number> {
    await this.#last.catch(() => {})
    return this.#left
  }

  async #all(chunk: Buffer): Promise<void> {
    this.#left = chunk.length
    while (this.#left > 0) this.#left -= something(await this.#once(chunk.subarray(-this.#left)))
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

/** libuv waits for the reader in the event loop. It sets O_NONBLOCK, so it gets an open file description of its own. */
class StreamWriter implements Writer {
  progress: Taker['progress'] = () => {}
  readonly #stream: net.Socket
  #error: Error | undefined
  /** Of the last chunk, the bytes that the kernel has not got. */
  #left = 0
  /** How many of them libuv has. */
  #given = 0
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

  /** libuv does not tell how far a write had come that fails: it gets what a pipe takes whole or not at all, to wait. */
  async take(chunk: Buffer): Promise<void> {
    this.#left = chunk.length
    while (this.#left > 0) {
      if (this.#error !== undefined) throw this.#error
      const rest = chunk.subarray(-this.#left)
      const taken = this.#atOnce(rest)
      if (taken !== undefined) this.#left -= something(taken)
      else {
        this.wouldBlock += 1
        await this.#give(rest.subarray(0, PIPE_BUF))
      }
    }
  }

  /** As much as there is room for; `undefined` if there is none. */
  #atOnce(chunk: Buffer): number | undefined {
    try {
      return fs.writeSync(handleFd(this.#stream), chunk)
    } catch (error) {
      if (error instanceof Error && 'errno' in error && error.errno === -EAGAIN) return undefined
      throw error
    }
  }

  #give(piece: Buffer): Promise<void> {
    this.#given = piece.length
    return new Promise((resolve, reject) => {
      this.#stream.write(piece, (error) => {
        this.#given = 0
        if (error) return reject(error)
        this.#left -= piece.length
        resolve()
      })
    })
  }

  /** The piece itself stays in the stream's queue until all of it has been written. */
  outstanding(): number {
    if (this.#given === 0) return this.#left
    return this.#left - this.#given + outstanding(this.#stream) - this.#stream.writableLength
  }

  async unsent(): Promise<number> {
    return this.outstanding()
  }

  close(): void {
    this.#stream.destroy()
  }
}
