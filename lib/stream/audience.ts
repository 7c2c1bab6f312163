/** Who sees the chunks of a piped stream. A marker may take their place only where nobody but the pipe itself does. */
import { OBSTACLE, type Obstacle, wrapped } from '../errors/obstacle.ts'
import type { Destination } from '../destination/hold.ts'
import { awaitsDrain, type FileStream, isPipedTo, onlyPipe, replacedInReading } from '../node/readable.ts'
import { isPipesOwn } from '../node/unpatched.ts'

export class Audience {
  readonly #source: FileStream
  readonly #destination: Destination
  /** The pipe's own 'data' listener: takes a chunk to the destination, and pauses the stream if that is full. */
  #ondata: Function | undefined

  constructor(source: FileStream, destination: Destination) {
    this.#source = source
    this.#destination = destination
  }

  /** The pipe stands, with this listener. Returns why it is not Node's own, if so. */
  begin(ondata: unknown): Obstacle | undefined {
    if (typeof ondata !== 'function') return undefined
    if (!isPipesOwn(this.#source, ondata)) return wrapped('on', 'stream')
    this.#ondata = ondata
    return undefined
  }

  /** Lets the pipe take a chunk to the destination. */
  hand(chunk: Buffer): void {
    if (this.#ondata !== undefined) Reflect.apply(this.#ondata, this.#source, [chunk])
  }

  /**
   * Whether the pipe takes chunks now, or stands still until 'drain', after a chunk from the buffer. A chunk that is read
   * ahead then would be followed by another at every 'drain'; a marker takes no memory, and waits in the destination as well
   * as in the stream.
   */
  get isFlowing(): boolean {
    const source = this.#source
    const isFlowing = source.readableFlowing === true || awaitsDrain(source, this.#destination)
    return isFlowing && isPipedTo(source, this.#destination)
  }

  /** Who could tell that no chunks come by, `undefined` if nobody. */
  get obstacle(): Obstacle | undefined {
    if (!this.isUnseen) return OBSTACLE.shared
    const replaced = replacedInReading(this.#source)
    return replaced === undefined ? undefined : wrapped(replaced, 'stream')
  }

  /** Whether the pipe alone reads the stream: nobody sees how large the chunks are, or that there are none. */
  get isUnseen(): boolean {
    const source = this.#source
    const [listener, ...others] = source.rawListeners('data')
    if (listener !== this.#ondata || others.length > 0 || source.listenerCount('readable') > 0) return false
    return source.readableEncoding === null && onlyPipe(source) === this.#destination
  }
}
