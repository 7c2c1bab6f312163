/**
 * The announced length of the body of an http message, and how much of it remains. The same rule applies to promises and
 * streams: no byte beyond the length is sent, and a message that ends before it is destroyed. Otherwise the peer would read
 * the next message on the connection as the rest of this one.
 */
import http from 'node:http'

import { contentLengthMismatch } from '../errors/node-error.ts'
import { shortBody } from '../errors/sendfile-error.ts'
import {
  type BodyCount,
  bodySoFar,
  condemn,
  countBody,
  hasBody,
  isStrict,
  sentHeader,
  sentLength,
} from './outgoing-message.ts'
import type { Bytes } from '../options/validate.ts'

/** Creates the error of a message that lacks `missing` bytes. */
export type Shortfall = (missing: number) => Error

export class AnnouncedLength implements BodyCount {
  readonly #message: http.OutgoingMessage
  /** Bytes of the body that have been written to the message, as far as is known. */
  #sent: number
  /** Whether that count is complete: it is not if the message was written to before counting started. */
  readonly #isExact: boolean
  /** Whether the headers can no longer change, and with them the announced length. */
  #isFixed = false
  #fixedLength: number | undefined
  #failure: Error | undefined
  isTaken = false
  /** Creates the error that names the file that was too short. */
  shortfall: Shortfall | undefined

  /** The announced length of a message; one object per message. `undefined` if the bytes sent cannot be counted. */
  static of(message: http.OutgoingMessage): AnnouncedLength | undefined {
    return countBody(message, () => new AnnouncedLength(message))
  }

  private constructor(message: http.OutgoingMessage) {
    const sent = bodySoFar(message)
    this.#message = message
    this.#sent = sent ?? 0
    this.#isExact = sent !== undefined
  }

  /** Number of bytes missing from the body; Infinity if no length is announced. */
  get left(): number {
    const length = this.#length
    return length === undefined ? Infinity : Math.max(0, length - this.#sent)
  }

  /**
   * The same for chunks that have not been read yet. It is also Infinity if Node itself rejects surplus bytes
   * (`strictContentLength`), and if the headers announce no byte and may still be changed.
   */
  get room(): number {
    const { left } = this
    if (isStrict(this.#message) || (left === 0 && !this.#message.headersSent)) return Infinity
    return left
  }

  /** The error that the message was destroyed with because its body is too short. */
  get failure(): Error | undefined {
    return this.#failure
  }

  /**
   * Checks that `length` more bytes agree with the announced length; with `isAll`, that the body may end after them.
   * @throws ERR_HTTP_CONTENT_LENGTH_MISMATCH, as Node does for a message with strictContentLength
   */
  admit(length: Bytes, isAll: boolean): void {
    const { left } = this
    if (left === Infinity || !(length > left || (isAll && this.#isExact && length < left))) return
    throw contentLengthMismatch(BigInt(this.#sent) + BigInt(length), this.#length ?? 0)
  }

  sending(length: number): number {
    const fitting = Math.min(length, this.left)
    this.#sent += fitting
    return fitting
  }

  finishing(): void {
    const { left } = this
    if (left === 0 || left === Infinity || !this.#isExact || this.#message.destroyed) return
    this.#failure = this.shortfall?.(left) ?? shortBody(this.#sent + left, this.#sent)
    condemn(this.#message, this.#failure)
  }

  get #length(): number | undefined {
    if (this.#isFixed) return this.#fixedLength
    this.#fixedLength = announcedBy(this.#message)
    this.#isFixed = this.#message.headersSent
    return this.#fixedLength
  }
}

/** The length in the headers that were sent, or that would be sent now. */
function announcedBy(message: http.OutgoingMessage): number | undefined {
  if (!hasBody(message) || message.chunkedEncoding) return undefined
  const field = sentHeader(message) === null ? pendingField(message) : sentLength(message)
  const length = typeof field === 'number' ? field : Number(/^[ \t]*(\d+)[ \t]*$/.exec(String(field))?.[1])
  return Number.isSafeInteger(length) && length >= 0 ? length : undefined
}

function pendingField(message: http.OutgoingMessage): string | number | undefined {
  const status = message instanceof http.ServerResponse ? message.statusCode : 200
  if (status < 200 || status === 204 || status === 304 || message.hasHeader('transfer-encoding')) return undefined
  const field = message.getHeader('content-length')
  return typeof field === 'number' ? field : String(field)
}
