/** Reads a range in chunks. Reads the next chunk while the destination processes the previous one. */
import type { Range } from './range.ts'
import { readAt } from '../node/fs.ts'
import { add, type Bytes } from '../options/validate.ts'
import type { Stop } from '../wait/stop.ts'

export class ChunkReader {
  readonly #range: Range
  /** Bytes that were read ahead may never be sent. A pipe, a device, a file of /proc or an unknown position would lose them. */
  readonly #mayReadAhead: boolean
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
    const { file, positionUnknown } = this.#range
    const buffer = Buffer.allocUnsafeSlow(size)
    this.#isReading = true
    try {
      readAt(buffer, file.fd, size, positionUnknown === true ? null : this.#offset, (error, bytes) => {
        this.#isReading = false
        if (error === null) this.#enter(buffer, bytes)
        else this.#failure = { error }
        this.#whenRead?.()
      })
    } catch (error) {
      // A replaced `fs.read` may throw an error that Node's own passes to the callback.
      this.#isReading = false
      this.#failure = { error }
    }
  }

  #enter(buffer: Buffer, bytes: number): void {
    this.#offset = add(this.#offset, bytes)
    if (this.#left !== undefined) this.#left = add(this.#left, -bytes)
    this.#chunk = bytes === buffer.length ? buffer : buffer.subarray(0, bytes)
  }
}
