/** Reads a range in chunks, the next one while the destination is at work on the last. */
import type { Range } from './portable.ts'
import { readAt } from '../node/fs.ts'
import { add, type Bytes } from '../options/validate.ts'
import type { Stop } from '../wait/stop.ts'

export class ChunkReader {
  readonly #range: Range
  /** What is read ahead may never be sent: a pipe, a device, a file of /proc or an unknown position would miss it. */
  readonly #mayReadAhead: boolean
  /** Where the next byte is. */
  #offset: Bytes
  /** Bytes that have not been read; `undefined` where the end of the file is the end. */
  #left: Bytes | undefined
  #isReading = false
  /** What has been read, and not taken. */
  #chunk: Buffer | undefined
  #failure: { readonly error: unknown } | undefined
  /** Called when nothing is being read any more. */
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
   * The next chunk of at most `size` bytes; an empty one at the end. One that has been read ahead comes whole, and without a
   * promise if it is there.
   */
  read(size: number, stop: Stop): Buffer | Promise<Buffer> {
    const { file } = this.#range
    if (file.read !== undefined) return file.read(size, stop)
    if (this.#chunk === undefined && this.#failure === undefined && !this.#isReading) this.#begin(size)
    return this.#isReading ? this.#rested().then(() => this.#take()) : this.#take()
  }

  /** Begins to read the chunk after the one that has been taken, of at most `size` bytes. */
  readAhead(size: number): void {
    const left = this.#left ?? 0
    const next = left > size ? size : Number(left)
    if (next > 0 && this.#mayReadAhead) this.#begin(next)
  }

  /** Fulfilled when nothing is being read: the descriptor may be closed. Never rejects. */
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

  /** A fresh buffer for each chunk: who takes it may keep it. */
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
      // A replaced `fs.read` may throw what Node's own calls back with.
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
