/** Reads a range in chunks. Reads the next chunk while the destination processes the previous one. */
import { setImmediate } from 'node:timers'

import type { Range } from './range.ts'
import { readAt, readAtOnce } from '../node/fs.ts'
import { add, type Bytes } from '../options/validate.ts'
import type { Stop } from '../wait/stop.ts'

/** Fake timers replace the function of `timers`. */
const soon = setImmediate

export class ChunkReader {
  readonly #range: Range
  /** Bytes that were read ahead may never be sent. A pipe, a device, a file of /proc or an unknown position would lose them. */
  readonly #mayReadAhead: boolean
  /** Whether bytes that are in memory are read without a thread: the file is a regular one, and no server has to be asked. */
  readonly #mayReadAtOnce: boolean
  /** The offset of the next byte. */
  #offset: Bytes
  /** Number of bytes that have not been read; `undefined` to read to the end of the file. */
  #left: Bytes | undefined
  #isReading = false
  /** A chunk that has been read and not taken yet. */
  #chunk: Buffer | undefined
  #failure: { readonly error: unknown } | undefined
  /** Called when the read in progress has ended. */
  #whenRead: (() => void) | undefined

  constructor(range: Range) {
    const { file, count, offset, positionUnknown } = range
    const canBeReadAgain = file.identity !== undefined && file.size !== undefined && positionUnknown !== true
    this.#range = range
    this.#mayReadAhead = canBeReadAgain && count !== undefined
    this.#mayReadAtOnce = canBeReadAgain && file.native !== undefined && file.remote === undefined
    this.#offset = offset
    this.#left = count
  }

  /**
   * Returns the next chunk of at most `size` bytes, or an empty one at the end. A chunk that was read ahead is returned
   * whole, and without a promise if the read has completed.
   */
  read(size: number, stop: Stop): Buffer | Promise<Buffer> {
    const { file } = this.#range
    if (file.read !== undefined) return file.read(size, stop)
    if (this.#chunk === undefined && this.#failure === undefined && !this.#isReading) this.#begin(size)
    return this.#isReading ? this.#rested().then(() => this.#take()) : this.#take()
  }

  /** Starts to read the next chunk of at most `size` bytes. */
  readAhead(size: number): void {
    const left = this.#left ?? 0
    const next = left > size ? size : Number(left)
    if (next > 0 && this.#mayReadAhead) this.#begin(next)
  }

  /** Resolves when no read is in progress, so that the descriptor may be closed. Never rejects. */
  rest(): Promise<void> | undefined {
    return this.#isReading ? this.#rested() : undefined
  }

  #rested(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenRead = resolve
    })
  }

  #take(): Buffer {
    const chunk = this.#chunk
    this.#chunk = undefined
    if (chunk === undefined) throw this.#failure?.error ?? new TypeError('nothing has been read')
    return chunk
  }

  /** Allocates a new buffer for each chunk, because the receiver may keep it. */
  #begin(size: number): void {
    const buffer = Buffer.allocUnsafeSlow(size)
    this.#isReading = true
    // In a turn of its own, so that a destination that is never full does not keep the event loop from everything else.
    if (this.#mayReadAtOnce) soon(ChunkReader.#readAtOnce, this, buffer)
    else this.#readLater(buffer)
  }

  static #readAtOnce(reader: ChunkReader, buffer: Buffer): void {
    const offset = reader.#offset
    const bytes = typeof offset === 'number' ? readAtOnce(reader.#range.file.fd, buffer, offset) : -1
    if (bytes <= 0) return reader.#readLater(buffer)
    reader.#enter(buffer, bytes)
    reader.#ended()
  }

  #readLater(buffer: Buffer): void {
    const { file, positionUnknown } = this.#range
    try {
      readAt(buffer, file.fd, buffer.length, positionUnknown === true ? null : this.#offset, (error, bytes) => {
        if (error === null) this.#enter(buffer, bytes)
        else this.#failure = { error }
        this.#ended()
      })
    } catch (error) {
      // A replaced `fs.read` may throw an error that Node's own passes to the callback.
      this.#failure = { error }
      this.#ended()
    }
  }

  #ended(): void {
    this.#isReading = false
    this.#whenRead?.()
  }

  #enter(buffer: Buffer, bytes: number): void {
    this.#offset = add(this.#offset, bytes)
    if (this.#left !== undefined) this.#left = add(this.#left, -bytes)
    this.#chunk = bytes === buffer.length ? buffer : buffer.subarray(0, bytes)
  }
}
