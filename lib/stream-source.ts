/**
 * Reads pipes, FIFOs and terminals: no offset, no size, and nothing for now is not the end. libuv waits for them in the
 * event loop; `fs.read` would wait in one of its four threads.
 */
import fs from 'node:fs'
import net from 'node:net'
import tty from 'node:tty'

import { unsupported } from './errors.ts'
import { handleFd } from './node-internals.ts'
import type { Stop } from './stop.ts'

const CHUNK = 64 * 1024

/**
 * Opens the pipe or terminal behind a descriptor once more, without waiting for anybody. libuv sets O_NONBLOCK on what it
 * reads; that belongs to the open file description, which others may share, so ours must be another one.
 * @throws {SendfileError} ERR_SENDFILE_UNSUPPORTED where the system does not let it be opened again
 */
export function reopen(fd: number): number {
  const { O_RDONLY, O_NONBLOCK = 0, O_NOCTTY = 0 } = fs.constants
  try {
    return fs.openSync(`/proc/self/fd/${fd}`, O_RDONLY | O_NONBLOCK | O_NOCTTY)
  } catch (error) {
    const why = error instanceof Error ? error.message : 'it cannot be opened'
    throw unsupported(`The pipe or terminal cannot be read without waiting in blocking mode: ${why}`)
  }
}

/** A source that is read from where it stands, up to `limit` bytes of it: what is left belongs to whoever reads next. */
export class StreamSource {
  readonly #stream: net.Socket
  #left: number
  /** Read, and not asked for yet. */
  #surplus: Buffer | undefined
  #error: Error | undefined
  #ended = false
  #arrived: (() => void) | undefined

  /** Takes the descriptor over. */
  constructor(fd: number, isTerminal: boolean, limit: number) {
    this.#left = limit
    const onread = {
      buffer: () => Buffer.allocUnsafeSlow(Math.min(CHUNK, Math.max(1, this.#left))),
      callback: (bytes: number, buffer: Uint8Array) => this.#take(Buffer.from(buffer.buffer, buffer.byteOffset, bytes)),
    }
    // Nothing is read before somebody asks: net.Socket begins at once without `manualStart`.
    const options = { fd, writable: false, manualStart: true, onread }
    this.#stream = isTerminal ? terminalWith(fd, onread) : new net.Socket(options)
    this.#stream.on('error', (error) => this.#finish(error))
    this.#stream.on('end', () => this.#finish(undefined))
    this.#stream.on('close', () => this.#finish(undefined))
  }

  /** Up to `size` bytes, as soon as there are any; none at the end, or when stopped. */
  async read(size: number, stop: Stop): Promise<Buffer> {
    if (this.#surplus === undefined && !this.#ended && this.#left > 0) {
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

  /** One chunk at a time. */
  #take(bytes: Buffer): boolean {
    this.#left -= bytes.length
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

/** tty.ReadStream hands its second argument on to net.Socket (lib/tty.js); the types do not say so. */
function terminalWith(fd: number, onread: object): tty.ReadStream {
  const stream: unknown = Reflect.construct(tty.ReadStream, [fd, { onread }])
  if (!(stream instanceof tty.ReadStream)) throw new TypeError('tty.ReadStream has made something else')
  closeUnused(fd, stream)
  return stream
}

/** libuv opens a terminal once more for itself where it can, and then leaves `fd` to us (uv_tty_init, src/unix/tty.c). */
export function closeUnused(fd: number, terminal: tty.ReadStream | tty.WriteStream): void {
  if (handleFd(terminal) !== fd) fs.closeSync(fd)
}
