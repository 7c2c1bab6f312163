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

/** Makes the error of a message that is so many bytes short. */
export type Shortfall = (missing: number) => Error

export class AnnouncedLength implements BodyCount {
  readonly #message: http.OutgoingMessage
  /** Bytes of the body that the message has been given, as far as that is known. */
  #sent: number
  /** Whether that is all of them: not where the message had been written to before anybody counted. */
  readonly #isExact: boolean
  /** Whether the headers can no longer change, so that the length that they announce is known for good. */
  #isFixed = false
  #fixedLength: number | undefined
  #failure: Error | undefined
  isTaken = false
  /** Knows which file was too short. */
  shortfall: Shortfall | undefined

  /** Of a message, from the first time that it is asked for. `undefined` where nobody can tell what is sent. */
  static of(message: http.OutgoingMessage): AnnouncedLength | undefined {
    return countBody(message, () => new AnnouncedLength(message))
  }

  private constructor(message: http.OutgoingMessage) {
    const sent = bodySoFar(message)
    this.#message = message
    this.#sent = sent ?? 0
    this.#isExact = sent !== undefined
  }

  /** Bytes of the body that are still to come; Infinity where no length is announced. */
  get left(): number {
    const length = this.#length
    return length === undefined ? Infinity : Math.max(0, length - this.#sent)
  }

  /**
   * The same for chunks that are still to be read: Infinity also where Node itself refuses what is too much
   * (`strictContentLength`), and where headers that announce no byte may still be changed.
   */
  get room(): number {
    const { left } = this
    if (isStrict(this.#message) || (left === 0 && !this.#message.headersSent)) return Infinity
    return left
  }

  /** What the message was destroyed with because its body is too short. */
  get failure(): Error | undefined {
    return this.#failure
  }

  /**
   * Whether the body may go on with `length` bytes, and end with them if `isAll`.
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

/** What the headers say, or would say if they were sent now. */
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
