/** What an http message says of its body before it comes, and what becomes of that if it does not. */
import http from 'node:http'

import { AnnouncedLength } from '../node/announced-length.ts'
import type { Range, Terms } from '../executor/portable.ts'
import { isWrapped } from '../destination/stream.ts'
import { bodyTaken } from '../node/outgoing-message.ts'
import type { Bytes } from '../options/validate.ts'

export class Framing {
  readonly #message: http.OutgoingMessage | undefined
  readonly #length: AnnouncedLength | undefined
  #announced = false

  constructor(destination: object) {
    this.#message = destination instanceof http.OutgoingMessage ? destination : undefined
    this.#length = this.#message === undefined ? undefined : AnnouncedLength.of(this.#message)
  }

  /** A range of unknown length ends where the body does, of which headers and trailers are a part. */
  bound(range: Range, { headers, trailers }: Terms): Range {
    const { left } = this.#length ?? { left: Infinity }
    if (left === Infinity || this.#isWrapped) return range
    return { ...range, count: Math.max(0, left - headers.length - trailers.length) }
  }

  /** What the message was destroyed with when it was ended, because its body is too short. */
  get failure(): Error | undefined {
    return this.#length?.failure
  }

  /**
   * The body will go on with this many bytes. If they are all of it, the headers say so, where they can still be changed.
   * What a wrapper makes of them nobody knows.
   * @throws ERR_HTTP_CONTENT_LENGTH_MISMATCH: they contradict what is announced already; nothing has been changed
   */
  announce(count: Bytes, isAll: boolean): void {
    const message = this.#message
    if (message === undefined) return
    if (!this.#isWrapped) this.#length?.admit(count, isAll)
    if (!isAll || message.headersSent) return
    if (message.hasHeader('content-length') || message.hasHeader('transfer-encoding')) return
    // RFC 9110 section 8.6: none in 1xx and 204; a 304 may only repeat that of the 200.
    const status = message instanceof http.ServerResponse ? message.statusCode : 200
    if (status < 200 || status === 204 || status === 304) return
    // A number: Node 22.13.0 compares it as it is for strictContentLength (nodejs/node#57456).
    message.setHeader('Content-Length', typeof count === 'number' ? count : `${count}`)
    this.#announced = true
  }

  /** The kernel has taken all of it, and the message ends now. */
  taken(): void {
    if (this.#message !== undefined) bodyTaken(this.#message)
  }

  /**
   * The body will not come: what is still ours to change is as it was. `isBroken`: bytes that were announced will be
   * missing, so that the connection has to end, now or when their turn comes.
   */
  takeBack(isBroken: boolean): void {
    const message = this.#message
    if (message === undefined) return
    if (this.#announced && !message.headersSent) message.removeHeader('Content-Length')
    if (message instanceof http.ClientRequest) ignoreConsequence(message, isBroken)
  }

  get #isWrapped(): boolean {
    return this.#message !== undefined && isWrapped(this.#message)
  }

  /** The body has begun and cannot be completed: only the end of the connection says so. */
  breakOff(): void {
    if (this.#message?.headersSent === true) this.#message.destroy()
  }
}

/**
 * The rejection has told why a connection breaks: the 'error' that http makes of it must not be uncaught. Errors of a
 * request that goes on are its owner's.
 */
function ignoreConsequence(request: http.ClientRequest, isBroken: boolean): void {
  const ignore = (): void => {}
  const hearAgain = (): void => void request.off('error', ignore)
  request.on('error', ignore).once('close', hearAgain)
  process.nextTick(() => {
    const breaks = isBroken || request.destroyed || request.socket?.destroyed === true
    if (breaks && !request.closed) return
    hearAgain()
    request.off('close', hearAgain)
  })
}
