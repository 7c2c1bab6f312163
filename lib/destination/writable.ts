/** Writes the chunks of the portable executor to any Writable, with backpressure. */
import http from 'node:http'
import type net from 'node:net'

import type { Taker } from '../executor/portable.ts'
import { badDestination } from '../errors/sendfile-error.ts'
import { type Destination, callOriginal } from '../hooks/hold.ts'
import { outstanding } from '../node/handle.ts'
import { hasBody } from '../node/outgoing-message.ts'
import { DROPPED, Stop } from '../wait/stop.ts'
import { ignore, listen, unwatch, watch, type Watcher } from '../wait/closed.ts'
import { isCutOff, serverSocket } from './stream.ts'

export class ChunkWriter implements Taker, Watcher {
  readonly #destination: Destination
  readonly #listen: Destination['on']
  readonly stop = new Stop()
  readonly progress: Taker['progress']
  wouldBlock = 0
  #hasWritten = false
  #refused = false
  #listens = false
  /** Under a response that waits for 'drain'. */
  #connection: net.Socket | undefined
  /** Ends the current wait. */
  #continue: (() => void) | undefined
  readonly #onDrain = (): void => this.#resume()

  /** `listen`: the destination's `on` at the time of the call; middleware that comes later has a 'drain' of its own. */
  constructor(destination: Destination, listen: Destination['on'], progress: Taker['progress']) {
    this.#destination = destination
    this.#listen = listen
    this.progress = progress
  }

  /**
   * Writes a chunk. Relies on the return value and 'drain' only: some middleware loses the callback of `write`.
   * @throws {SendfileError} ERR_SENDFILE_DESTINATION if it is destroyed, because it might discard the chunk without an error
   */
  take(chunk: Buffer): Promise<void> | undefined {
    const destination: unknown = this.#destination
    if (Reflect.get(this.#destination, 'destroyed') === true) {
      throw Reflect.get(this.#destination, 'errored') ?? badDestination('The destination is destroyed')
    }
    if (isCutOff(destination)) throw badDestination('The connection was ended')
    const accepted = this.#write(chunk)
    if (destination instanceof http.OutgoingMessage && !hasBody(destination)) this.stop.stop(DROPPED)
    if (accepted !== false || this.stop.stopped) return undefined
    this.wouldBlock += 1
    return this.#drained()
  }

  /** The first write threw: the destination is unchanged. */
  get refused(): boolean {
    return this.#refused
  }

  #write(chunk: Buffer): unknown {
    try {
      const accepted = callOriginal(this.#destination, 'write', chunk)
      this.#hasWritten = true
      return accepted
    } catch (error) {
      this.#refused = !this.#hasWritten
      throw error
    }
  }

  /** Bytes in the buffers of the destination. */
  outstanding(): number {
    return outstanding(this.#destination)
  }

  /** Removes the listener from the destination. */
  release(): void {
    if (this.#listens) ignore(this.#destination, 'drain', this.#onDrain)
    if (this.#connection !== undefined) unwatch(this.#connection, this)
  }

  /** The wait ends by `stop`. */
  closed(): void {}

  /** The connection has been ended: it emits no 'drain' any more (lib/internal/streams/writable.js, afterWrite). */
  finished(): void {
    this.#resume()
  }

  #resume(): void {
    const resume = this.#continue
    this.#continue = undefined
    resume?.()
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#continue = resolve
      if (this.#listens) return
      // Once: compressing middleware hands `on` to a stream of its own, and does not know `off`.
      this.#listens = true
      listen(this.#destination, 'drain', this.#onDrain, this.#listen)
      this.#watchConnection()
    })
  }

  #watchConnection(): void {
    const destination: unknown = this.#destination
    this.#connection = destination instanceof http.ServerResponse ? serverSocket(destination) : undefined
    if (this.#connection !== undefined) watch(this.#connection, this, { errors: false, finish: true })
  }
}
