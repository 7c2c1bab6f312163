/** What an http message says of its body before it comes, and what becomes of that if it does not. */
import http from 'node:http'

import type { Bytes } from './option-values.ts'

export class Framing {
  readonly #message: http.OutgoingMessage | undefined
  #announced = false

  constructor(destination: object) {
    this.#message = destination instanceof http.OutgoingMessage ? destination : undefined
  }

  /** The body will be of this length and nothing else: said in the headers, if they can still be changed. */
  announce(count: Bytes): void {
    const message = this.#message
    if (message === undefined || message.headersSent) return
    if (message.hasHeader('content-length') || message.hasHeader('transfer-encoding')) return
    // RFC 9110 section 8.6: none in 1xx and 204; a 304 may only repeat that of the 200.
    const status = message instanceof http.ServerResponse ? message.statusCode : 200
    if (status < 200 || status === 204 || status === 304) return
    message.setHeader('Content-Length', `${count}`)
    this.#announced = true
  }

  /** The body will not come: what is still ours to change is as it was. */
  takeBack(): void {
    const message = this.#message
    if (message === undefined) return
    if (this.#announced && !message.headersSent) message.removeHeader('Content-Length')
    // The rejection has told it: the 'error' that http makes of a broken upload must not be uncaught.
    if (message instanceof http.ClientRequest) message.off('error', toldAlready).on('error', toldAlready)
  }

  /** The body has begun and cannot be completed: only the end of the connection says so. */
  breakOff(): void {
    if (this.#message?.headersSent === true) this.#message.destroy()
  }
}

function toldAlready(): void {}
