/** Writes the chunks of the portable executor to any Writable, and waits when it asks to. */
import { EventEmitter } from 'node:events'
import http from 'node:http'

import { badDestination } from './errors.ts'
import { type Destination, callUnheld } from './hold.ts'
import { outstanding } from './node-handles.ts'
import { hasBody } from './node-internals.ts'
import { Stop } from './stop.ts'

export class ChunkWriter {
  readonly #destination: Destination
  readonly #listen: Destination['on']
  readonly stop = new Stop()
  #dropped = false
  #hasWritten = false
  #refused = false
  #listens = false
  #cutShort = false
  /** Ends the wait that is going on. */
  #goOn: (() => void) | undefined
  readonly #onDrain = (): void => this.#resume()

  /** `listen`: the destination's `on` at the time of the call; middleware that comes later has a 'drain' of its own. */
  constructor(destination: Destination, listen: Destination['on']) {
    this.#destination = destination
    this.#listen = listen
  }

  /** http drops what is written: HEAD, 204, 304. */
  get dropped(): boolean {
    return this.#dropped
  }

  /**
   * Writes a chunk. Relies on the return value and 'drain' only: some middleware loses the callback of `write`.
   * @throws {SendfileError} ERR_SENDFILE_DESTINATION: a destroyed one would drop the chunk, and perhaps tell nobody
   */
  take(chunk: Buffer): Promise<void> | undefined {
    const destination: unknown = this.#destination
    if (Reflect.get(this.#destination, 'destroyed') === true) {
      throw Reflect.get(this.#destination, 'errored') ?? badDestination('The destination is destroyed')
    }
    const accepted = this.#write(chunk)
    if (destination instanceof http.OutgoingMessage && !hasBody(destination)) {
      this.#dropped = true
      this.stop.stop()
    }
    return accepted === false && !this.stop.stopped ? this.#drained() : undefined
  }

  /** The first chunk was not even taken: the destination is as it was. */
  get refused(): boolean {
    return this.#refused
  }

  #write(chunk: Buffer): unknown {
    try {
      const accepted = callUnheld(this.#destination, 'write', chunk)
      this.#hasWritten = true
      return accepted
    } catch (error) {
      this.#refused = !this.#hasWritten
      throw error
    }
  }

  /** What the destination has taken and not passed on. */
  outstanding(): number {
    return outstanding(this.#destination)
  }

  /** Ends a wait, and lets nothing more be written. */
  giveUp(): void {
    this.#cutShort = this.#goOn !== undefined
    this.stop.stop()
  }

  /** The destination was stopped while it owed a 'drain': what it took last need not arrive. */
  get cutShort(): boolean {
    return this.#cutShort
  }

  /** The destination is no longer listened to. */
  release(): void {
    if (this.#listens && this.#destination instanceof EventEmitter) this.#destination.off('drain', this.#onDrain)
  }

  #resume(): void {
    const goOn = this.#goOn
    this.#goOn = undefined
    goOn?.()
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#goOn = resolve
      if (this.#listens) return
      // Once: compressing middleware hands `on` to a stream of its own, and does not know `off`.
      this.#listens = true
      Reflect.apply(this.#listen, this.#destination, ['drain', this.#onDrain])
    })
  }
}
