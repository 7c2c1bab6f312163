/** A source from the call of `sendfile()` until the turn of its transfer. */
import type { OpenFile } from '../executor/range.ts'
import { type Held, holdDescriptor, openFile } from './open.ts'
import type { Bytes } from '../options/validate.ts'
import type { ParsedSource } from './parse.ts'

/**
 * A descriptor number is valid only until it is closed, and is then reused: a transfer that waits for its turn holds the
 * file that the number stood for when the caller named it.
 */
export class NamedSource {
  readonly #source: ParsedSource
  #held: Held | undefined

  constructor(source: ParsedSource) {
    this.#source = source
  }

  /**
   * Holds the source of a transfer that has to wait. Must be called in the tick of the call; a path is opened later. With
   * `ownPosition`, the file position of the source will be used; it is returned if it is known.
   * @throws {SendfileError} EBADF, EMFILE, ENFILE, and Node's own error of `fs.fstat`
   */
  hold(ownPosition: boolean): Bytes | undefined {
    if (this.#source.kind === 'fd') this.#held = holdDescriptor(this.#source.fd, ownPosition)
    return ownPosition ? this.#held?.position : undefined
  }

  /** Opens the source, once. `limit` is the maximum number of bytes that will be read. */
  open(limit: Bytes | undefined): OpenFile | Promise<OpenFile> {
    const held = this.#held
    this.#held = undefined
    return held === undefined ? openFile(this.#source, limit) : held.open(limit)
  }

  /** The transfer has ended, possibly before its turn. */
  release(): void {
    this.#held?.close()
    this.#held = undefined
  }
}
