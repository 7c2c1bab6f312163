/**
 * Closes the file of a stream whose only destination has closed. A destination that closes before the end is removed from the
 * pipe; with Node's own streams, the file then stays open until the program destroys the stream.
 */
import type { EventEmitter } from 'node:events'
import http from 'node:http'
import { setImmediate } from 'node:timers'

import { serverSocket } from '../destination/stream.ts'
import { type FileStream, isPipedTo, onlyPipe } from '../node/readable.ts'

/** Closes the file of one stream when the one destination that it was piped to closes. */
export class Abandonment {
  readonly #source: FileStream
  readonly #destination: EventEmitter
  /** The connection of a response that waits for its turn, and does not emit 'close' with it. */
  readonly #connection: EventEmitter | undefined
  /** The destination ended or failed while it was piped to, and was unpiped before it closed. */
  #hasFailed = false
  #isOver = false

  /** Adds listeners before the pipe does. A destination that is not piped to when they are called was unpiped by the program. */
  constructor(source: FileStream, destination: EventEmitter) {
    this.#source = source
    this.#destination = destination
    const waits = destination instanceof http.ServerResponse && destination.socket === null
    this.#connection = waits ? serverSocket(destination) : undefined
    destination.on('finish', this.#finished).on('close', this.#closed)
    this.#connection?.on('close', this.#closed)
    if (Reflect.get(destination, 'destroyed') === true) setImmediate(() => this.#close())
  }

  /** The stream must no longer be closed. */
  release(): void {
    this.#isOver = true
    this.#destination.off('finish', this.#finished).off('close', this.#closed)
    this.#connection?.off('close', this.#closed)
  }

  /** The stream was unpiped from the destination, which happens before 'close' if the destination failed. */
  unpiped(): void {
    if (isPipedTo(this.#source, this.#destination)) return
    const failed = Reflect.get(this.#destination, 'errored') ?? undefined
    if (failed !== undefined) this.#hasFailed = true
  }

  readonly #finished = (): void => {
    if (isPipedTo(this.#source, this.#destination)) this.#hasFailed = true
  }

  readonly #closed = (): void => {
    if (!this.#hasFailed && !isPipedTo(this.#source, this.#destination)) return this.release()
    // After all other listeners: pipeline() destroys its streams with an error, and programs may pipe them to another destination.
    setImmediate(() => this.#close())
  }

  #close(): void {
    if (this.#isOver) return
    const source = this.#source
    const isPiped = isPipedTo(source)
    this.release()
    if (isPiped && onlyPipe(source) !== this.#destination) return
    // One 'data' listener belongs to the pipe.
    const isRead = source.listenerCount('data') > (isPiped ? 1 : 0) || source.listenerCount('readable') > 0
    if (!isRead && !source.readableEnded && source.autoClose !== false) source.destroy()
  }
}
