/** Writes the chunks of the portable executor to any Writable, and waits when it asks to. */
import { EventEmitter } from 'node:events'
import http from 'node:http'

import { type Destination, callUnheld } from './hold.ts'
import { hasBody } from './node-internals.ts'

export class ChunkWriter {
  readonly #destination: Destination
  #stopped = false
  #dropped = false
  #goOn = (): void => {}

  constructor(destination: Destination) {
    this.#destination = destination
  }

  /** Nothing more is to be written. */
  get stopped(): boolean {
    return this.#stopped
  }

  /** http drops what is written: HEAD, 204, 304. */
  get dropped(): boolean {
    return this.#dropped
  }

  /** Writes a chunk. Relies on the return value and 'drain' only: some middleware loses the callback of `write`. */
  take(chunk: Buffer): Promise<void> | undefined {
    const destination: unknown = this.#destination
    const accepted = callUnheld(this.#destination, 'write', chunk)
    if (destination instanceof http.OutgoingMessage && !hasBody(destination)) this.#stopped = this.#dropped = true
    return accepted === false && !this.#stopped ? this.#drained() : undefined
  }

  /** Ends a wait, and lets nothing more be written. */
  stop(): void {
    this.#stopped = true
    this.#goOn()
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const destination = this.#destination
      const goOn = (): void => {
        if (destination instanceof EventEmitter) destination.off('drain', goOn)
        resolve()
      }
      this.#goOn = goOn
      destination.on('drain', goOn)
    })
  }
}
