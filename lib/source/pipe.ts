/**
 * Reads pipes, FIFOs and terminals: they have no offset and no size, and an empty pipe is not at its end. libuv waits for them
 * in the event loop; `fs.read` would block one of its four threads.
 */
import fs from 'node:fs'
import net from 'node:net'
import { constants } from 'node:os'
import { setImmediate } from 'node:timers/promises'
import tty from 'node:tty'

import { systemError, unsupported } from '../errors/sendfile-error.ts'
import { handleFd } from '../node/handle.ts'
import type { Stop } from '../wait/stop.ts'

const CHUNK = 64 * 1024
const { EPIPE } = constants.errno
/** The device of every master: 5:2 in the kernel's admin-guide/devices.txt. */
const PTMX = 0x502

/**
 * Opens the pipe or terminal of a descriptor again, without blocking. libuv sets O_NONBLOCK, which belongs to the open file
 * description. Other processes may share the description of the caller, so a separate one is needed.
 * @throws {SendfileError} ERR_SENDFILE_UNSUPPORTED if it cannot be opened again; EPIPE for a FIFO without a reader
 */
export function reopen(fd: number, how: 'read' | 'written to', isTerminal: boolean): number {
  const { O_RDONLY, O_WRONLY, O_NONBLOCK = 0, O_NOCTTY = 0 } = fs.constants
  const access = how === 'read' ? O_RDONLY : O_WRONLY
  // Opening the master again creates another terminal: pts(4).
  if (isTerminal && fs.fstatSync(fd).rdev === PTMX)
    throw unsupported(`The master of a pseudoterminal cannot be ${how} without blocking a thread`)
  try {
    return fs.openSync(`/proc/self/fd/${fd}`, access | O_NONBLOCK | O_NOCTTY)
  } catch (error) {
    if (how === 'written to' && error instanceof Error && Reflect.get(error, 'code') === 'ENXIO')
      throw systemError(-EPIPE, 'write')
    const why = error instanceof Error ? error.message : 'it cannot be opened'
    throw unsupported(`The pipe or terminal is in blocking mode and cannot be ${how} without blocking a thread: ${why}`)
  }
}

/** The kind of a source without offsets. */
export interface StreamKind {
  readonly isTerminal: boolean
  /** A FIFO that has just been opened by its path, and may not have a writer yet. */
  readonly waitsForWriter: boolean
}

/** A source that is read from its current position. At most `limit` bytes are read: the others are left for later readers. */
export class StreamSource {
  readonly #stream: net.Socket
  readonly #fd: number
  readonly #isPipe: boolean
  /** Whether the absence of a writer is the end (pipe(7)). A FIFO that has just been opened waits for its first writer. */
  #hadWriter: boolean
  #left: number
  /** Bytes that have been read and not returned yet. */
  #surplus: Buffer | undefined
  #error: Error | undefined
  #ended = false
  #arrived: (() => void) | undefined

  /** Takes ownership of the descriptor. */
  constructor(fd: number, { isTerminal, waitsForWriter }: StreamKind, limit: number) {
    this.#fd = fd
    this.#isPipe = !isTerminal
    this.#hadWriter = !isTerminal && !waitsForWriter
    this.#left = limit
    const onread = {
      buffer: () => Buffer.allocUnsafeSlow(Math.min(CHUNK, Math.max(1, this.#left))),
      callback: (bytes: number, buffer: Uint8Array) => this.#take(Buffer.from(buffer.buffer, buffer.byteOffset, bytes)),
    }
    // With `manualStart`, net.Socket does not read before `resume()`.
    const options = { fd, writable: false, manualStart: true, onread }
    this.#stream = isTerminal ? terminalWith(fd, onread) : new net.Socket(options)
    this.#stream.on('error', (error) => this.#finish(error))
    this.#stream.on('end', () => this.#finish(undefined))
    this.#stream.on('close', () => this.#finish(undefined))
  }

  /** Resolves with up to `size` bytes as soon as there are any; with an empty buffer at the end, or when stopped. */
  async read(size: number, stop: Stop): Promise<Buffer> {
    if (this.#wants && this.#hadWriter) {
      this.#readAtOnce()
      await setImmediate() // a writer that keeps the pipe full must not block the event loop
    }
    if (this.#wants) {
      const arrived = new Promise<void>((resolve) => {
        this.#arrived = resolve
      })
      this.#stream.resume()
      await stop.sooner(Infinity, arrived)
      this.#stream.pause()
    }
    if (this.#error !== undefined) throw this.#error
    const bytes = this.#surplus ?? Buffer.alloc(0)
    this.#surplus = bytes.length > size ? bytes.subarray(size) : undefined
    return bytes.subarray(0, size)
  }

  close(): void {
    this.#stream.destroy()
  }

  get #wants(): boolean {
    return this.#surplus === undefined && !this.#ended && this.#left > 0
  }

  /**
   * Reads without waiting. A FIFO that was opened after its last writer had closed it never becomes readable at its end:
   * EPOLLHUP is only set for writers that came after the open (pipe_poll, fs/pipe.c). read(2) reports the end.
   */
  #readAtOnce(): void {
    const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK, this.#left))
    try {
      const bytes = fs.readSync(this.#fd, buffer)
      if (bytes === 0) this.#ended = true
      else this.#take(buffer.subarray(0, bytes))
    } catch (error) {
      if (!(error instanceof Error && 'errno' in error && error.errno === -constants.errno.EAGAIN)) throw error
    }
  }

  /** Called with one chunk at a time. */
  #take(bytes: Buffer): boolean {
    this.#left -= bytes.length
    this.#hadWriter = this.#isPipe
    this.#surplus = this.#surplus === undefined ? bytes : Buffer.concat([this.#surplus, bytes])
    this.#arrived?.()
    return false
  }

  #finish(error: Error | undefined): void {
    this.#error ??= error
    this.#ended = true
    this.#arrived?.()
  }
}

/** tty.ReadStream passes its second argument to net.Socket (lib/tty.js), which its type lacks. */
function terminalWith(fd: number, onread: object): tty.ReadStream {
  const stream: unknown = Reflect.construct(tty.ReadStream, [fd, { onread }])
  if (!(stream instanceof tty.ReadStream)) throw new TypeError('tty.ReadStream has made something else')
  closeUnused(fd, stream)
  return stream
}

/** Closes `fd` if libuv has opened the terminal again for itself and does not use it (uv_tty_init, src/unix/tty.c). */
export function closeUnused(fd: number, terminal: tty.ReadStream | tty.WriteStream): void {
  const used = handleFd(terminal)
  if (used >= 0 && used !== fd) fs.closeSync(fd)
}
