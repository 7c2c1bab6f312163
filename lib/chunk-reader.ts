/** Reads a range in chunks, the next one while the destination is at work on the last. */
import type { Range } from './copy.ts'
import { readInto } from './descriptor-status.ts'
import { add, type Bytes } from './option-values.ts'
import type { Stop } from './stop.ts'

export class ChunkReader {
  readonly #range: Range
  /** What is read ahead may never be sent: a pipe, a device, a file of /proc or an unknown position would miss it. */
  readonly #mayReadAhead: boolean
  /** Where the next byte is. */
  #offset: Bytes
  /** Bytes that have not been read; `undefined` where the end of the file is the end. */
  #left: Bytes | undefined
  #ahead: Promise<Buffer> | undefined

  constructor(range: Range) {
    const { file, positionUnknown } = range
    this.#range = range
    this.#mayReadAhead = file.identity !== undefined && file.size !== undefined && positionUnknown !== true
    this.#offset = range.offset
    this.#left = range.count
  }

  /** The next chunk of at most `size` bytes; an empty one at the end. One that has been read ahead comes whole. */
  async read(size: number, stop: Stop): Promise<Buffer> {
    const { file } = this.#range
    if (file.read !== undefined) return file.read(size, stop)
    const ahead = await this.#ahead
    this.#ahead = undefined
    // A file that had ended when it was read ahead may have grown.
    return ahead === undefined || ahead.length === 0 ? this.#read(size) : ahead
  }

  /** Begins to read the chunk after the one that has been read, of at most `size` bytes. A failure waits to be read. */
  readAhead(size: number): void {
    const left = this.#left
    const next = left === undefined || left > size ? size : Number(left)
    if (next === 0 || !this.#mayReadAhead) return
    this.#ahead = this.#read(next)
    this.#ahead.catch(() => {})
  }

  /** Fulfilled when nothing is being read: the descriptor may be closed. Never rejects. */
  async rest(): Promise<void> {
    await this.#ahead?.catch(() => {})
  }

  /** A fresh buffer for each chunk: who takes it may keep it. */
  async #read(size: number): Promise<Buffer> {
    const { file, positionUnknown } = this.#range
    const buffer = Buffer.allocUnsafeSlow(size)
    const bytes = await readInto(buffer, file.fd, size, positionUnknown === true ? null : this.#offset)
    this.#offset = add(this.#offset, bytes)
    if (this.#left !== undefined) this.#left = add(this.#left, -bytes)
    return bytes === size ? buffer : buffer.subarray(0, bytes)
  }
}
