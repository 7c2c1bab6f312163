/**
 * Files whose only reader has gone: a destination that closes before the end takes itself off the pipe, and in Node leaves
 * the stream to whoever has made it, with its file open.
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
  /** Of a response that waits for its turn, and is not told when its connection closes. */
  readonly #connection: EventEmitter | undefined
  /** The destination ended or failed while it was piped to: the pipe lets go before it closes. */
  #hasFailed = false
  #isOver = false

  /** Listens before the pipe does: what it finds unpiped, the user has unpiped. */
  constructor(source: FileStream, destination: EventEmitter) {
    this.#source = source
    this.#destination = destination
    const waits = destination instanceof http.ServerResponse && destination.socket === null
    this.#connection = waits ? serverSocket(destination) : undefined
    destination.on('finish', this.#finished).on('close', this.#closed)
    this.#connection?.on('close', this.#closed)
    if (Reflect.get(destination, 'destroyed') === true) setImmediate(() => this.#close())
  }

  /** The stream is not to be closed any more. */
  release(): void {
    this.#isOver = true
    this.#destination.off('finish', this.#finished).off('close', this.#closed)
    this.#connection?.off('close', this.#closed)
  }

  /** The stream has been taken off the destination. An error does that before the destination closes. */
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
    // After everybody who hears of it: pipeline() destroys its streams with an error, others may pipe them to elsewhere.
    setImmediate(() => this.#close())
  }

  #close(): void {
    if (this.#isOver) return
    const source = this.#source
    const isPiped = isPipedTo(source)
    this.release()
    if (isPiped && onlyPipe(source) !== this.#destination) return
    // The pipe reads by a listener of its own.
    const isRead = source.listenerCount('data') > (isPiped ? 1 : 0) || source.listenerCount('readable') > 0
    if (!isRead && !source.readableEnded && source.autoClose !== false) source.destroy()
  }
}
