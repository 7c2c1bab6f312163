/** What `sendfile()` announces in the headers of an http message, and what happens if the body is not sent. */
import http from 'node:http'

import { AnnouncedLength } from '../node/announced-length.ts'
import type { RangeOptions } from '../executor/portable.ts'
import type { Range } from '../executor/range.ts'
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

  /** Limits a range of unknown length to the rest of the announced body, which includes `headers` and `trailers`. */
  bound(range: Range, { headers, trailers }: RangeOptions): Range {
    const { left } = this.#length ?? { left: Infinity }
    if (left === Infinity || this.#isWrapped) return range
    return { ...range, count: Math.max(0, left - headers.length - trailers.length) }
  }

  /** The error that the message was destroyed with because its body is too short. */
  get failure(): Error | undefined {
    return this.#length?.failure
  }

  /**
   * Announces the next bytes of the body. If they are all of it, Content-Length is set, unless the headers have been sent.
   * The size of the output of a wrapped `write` is unknown.
   * @throws ERR_HTTP_CONTENT_LENGTH_MISMATCH if they contradict the announced length; nothing has been changed
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

  /** The kernel has accepted the whole body, and the message ends now. */
  taken(): void {
    if (this.#message !== undefined) bodyTaken(this.#message)
  }

  /**
   * The body will not be sent: reverts the headers if they have not been sent. `isBroken`: announced bytes will be missing,
   * so that the connection has to be closed, now or when it is their turn.
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

  /** The body has been started and cannot be completed, which the peer only learns from the end of the connection. */
  breakOff(): void {
    if (this.#message?.headersSent === true) this.#message.destroy()
  }
}

/**
 * The promise has rejected with the reason why the connection was closed; the 'error' event of http for it must not be
 * uncaught. Errors of a request that continues belong to its owner.
 */
function ignoreConsequence(request: http.ClientRequest, isBroken: boolean): void {
  const ignore = (): void => {}
  const removeIgnore = (): void => void request.off('error', ignore)
  request.on('error', ignore).once('close', removeIgnore)
  process.nextTick(() => {
    const breaks = isBroken || request.destroyed || request.socket?.destroyed === true
    if (breaks && !request.closed) return
    removeIgnore()
    request.off('close', removeIgnore)
  })
}
