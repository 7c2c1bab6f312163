/** Which consumers see the chunks of a piped stream. A marker may replace a chunk only if the pipe is the only one. */
import { OBSTACLE, type Obstacle, wrapped } from '../errors/obstacle.ts'
import type { Destination } from '../hooks/hold.ts'
import { awaitsDrain, type FileStream, isPipedTo, onlyPipe, replacedInReading } from '../node/readable.ts'
import { isPipesOwn } from '../node/unpatched.ts'

export class Audience {
  readonly #source: FileStream
  readonly #destination: Destination
  /** The pipe's own 'data' listener: writes a chunk to the destination, and pauses the stream if the destination is full. */
  #ondata: Function | undefined

  constructor(source: FileStream, destination: Destination) {
    this.#source = source
    this.#destination = destination
  }

  /** The pipe has been set up with this listener. Returns an obstacle if the listener is not Node's own. */
  begin(ondata: unknown): Obstacle | undefined {
    if (typeof ondata !== 'function') return undefined
    if (!isPipesOwn(this.#source, ondata)) return wrapped('on', 'stream')
    this.#ondata = ondata
    return undefined
  }

  /** Passes a chunk to the pipe, which writes it to the destination. */
  pass(chunk: Buffer): void {
    if (this.#ondata !== undefined) Reflect.apply(this.#ondata, this.#source, [chunk])
  }

  /**
   * Whether the pipe accepts chunks now, or waits for 'drain' after a chunk from the buffer. A chunk that is read ahead then
   * would be followed by another at every 'drain'; a marker takes no memory, and can wait in the destination instead.
   */
  get isFlowing(): boolean {
    const source = this.#source
    const isFlowing = source.readableFlowing === true || awaitsDrain(source, this.#destination)
    return isFlowing && isPipedTo(source, this.#destination)
  }

  /** The consumer that would notice missing chunks; `undefined` if there is none. */
  get obstacle(): Obstacle | undefined {
    if (!this.isUnseen) return OBSTACLE.shared
    const replaced = replacedInReading(this.#source)
    return replaced === undefined ? undefined : wrapped(replaced, 'stream')
  }

  /** Whether this pipe is the only consumer, so that the size of chunks, or their absence, is unobservable. */
  get isUnseen(): boolean {
    const source = this.#source
    const listeners = source.rawListeners('data')
    if (listeners[0] !== this.#ondata || listeners.length > 1 || source.listenerCount('readable') > 0) return false
    return source.readableEncoding === null && onlyPipe(source) === this.#destination
  }
}
