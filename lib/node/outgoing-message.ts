/** Private fields of an http message: how many body bytes it has accepted, and whether it may finish. */
import http from 'node:http'
import type net from 'node:net'

import { despiteLoss, hideLoss, isClosedForWriting, isTaken } from './connection-loss.ts'
import { contentLengthMismatch } from '../errors/node-error.ts'
import { PROTOCOL, segmentOf } from './marker.ts'
import { declareOurs, isOwnSend } from './unpatched.ts'

/** Counts the bytes of a body. */
export interface BodyCount {
  /** Called before `length` bytes are sent. Returns how many of them may be sent. */
  sending(length: number): number
  /** Called when the last byte has been written to the connection, before the next message uses it. */
  finishing(): void
  /** Whether the kernel has accepted the whole body, and the message is about to end. */
  isTaken: boolean
}

type Send = (
  data: string | Uint8Array,
  encoding?: BufferEncoding | null,
  callback?: unknown,
  byteLength?: number,
) => boolean

interface PrivateMessage extends http.OutgoingMessage {
  readonly _hasBody: boolean
  readonly _header: string | null
  readonly _contentLength?: unknown
  readonly _headerSent: boolean
  readonly outputData: readonly { readonly data: unknown; readonly encoding?: BufferEncoding | null }[]
  readonly strictContentLength?: boolean
  _send: Send
  _finish: () => void
  _implicitHeader(): void
}

interface CountedMessage extends PrivateMessage {
  [BODY]: BodyCount
}

/** An entry in the queue of a stream. */
interface Entry {
  readonly chunk: unknown
  readonly encoding?: BufferEncoding | null | undefined
}

interface PrivateSocket extends net.Socket {
  _hadError?: boolean
  readonly _writableState?: {
    readonly buffered?: readonly (Entry | null)[]
  }
}

/** All copies of the package in a process share one count per message. */
const BODY = Symbol.for(`sendfile64.body.${PROTOCOL}`)

/**
 * Counts the body of a message from now on, below every `write` and `end` that middleware has replaced. Returns the existing
 * count if there is one; `undefined` if the body may bypass Node's own method.
 */
export function countBody<Count extends BodyCount>(
  message: http.OutgoingMessage,
  count: () => Count,
): Count | undefined {
  const target = message as CountedMessage
  if (target[BODY] !== undefined) return target[BODY] as Count
  if (!isOwnSend(target._send)) return undefined
  const body = count()
  // Assigned, not defined: Object.defineProperty() makes the message a slow object of V8, at three times the cost.
  target[BODY] = body
  target._send = countedSend
  target._finish = countedFinish
  return body
}

/** Node sends a body with this method only; with a Content-Length, its argument contains nothing but the body. */
function countedSend(
  this: CountedMessage,
  data: string | Uint8Array,
  encoding?: BufferEncoding | null,
  callback?: unknown,
  byteLength?: number,
): boolean {
  // Looked up at each call: a later replacement on the prototype must see the bytes.
  const { _send: send } = Object.getPrototypeOf(this) as PrivateMessage
  const length = typeof data === 'string' ? (byteLength ?? byteLengthOf(data, encoding)) : data.length
  const fitting = this.chunkedEncoding || length === 0 ? length : this[BODY].sending(length)
  const isEnd = endsTaken(this, data)
  const written = isEnd && isCallback(callback) ? despiteLoss(this, callback) : callback
  if (length > 0) this[BODY].isTaken = isEnd
  if (fitting === length) return send.call(this, data, encoding, written, byteLength)
  // A marker cannot be shortened. The sender has checked the announced length before.
  if (segmentOf(data) !== undefined) throw contentLengthMismatch(length, fitting)
  const bytes = typeof data === 'string' ? Buffer.from(data, encoding ?? undefined) : data
  return send.call(this, bytes.subarray(0, fitting), null, callback, fitting)
}

declareOurs(countedSend)

/** Replaces a method instead of listening to an event, because listeners are visible to the program. */
function countedFinish(this: CountedMessage): void {
  this[BODY].finishing()
  const { _finish: finish } = Object.getPrototypeOf(this) as PrivateMessage
  finish.call(this)
  // `end` emits 'finish' in the next tick.
  if (this[BODY].isTaken) process.nextTick(hideLoss(this.socket))
}

/** Whether `data` is the terminator of a chunked body whose bytes are all in the kernel. */
function endsTaken(message: CountedMessage, data: unknown): boolean {
  if (!message.chunkedEncoding || typeof data !== 'string' || !data.startsWith('0\r\n')) return false
  return message[BODY].isTaken || isTaken(message)
}

function isCallback(value: unknown): value is (error?: Error | null) => void {
  return typeof value === 'function'
}

/**
 * The kernel has accepted the body of a message, which ends now. If the connection has been ended or closed, http drops the
 * terminator of a chunked body, and 'finish' with it (_writeRaw, lib/_http_outgoing.js); the message then ends like one with
 * a Content-Length.
 */
export function bodyTaken(message: http.OutgoingMessage): void {
  const count = (message as Partial<CountedMessage>)[BODY]
  if (count !== undefined) count.isTaken = true
  if (isClosedForWriting(message.socket)) message.chunkedEncoding = false
}

/** Number of bytes of the body that have been written to a message; `undefined` if it is not known. */
export function bodySoFar(message: http.OutgoingMessage): number | undefined {
  const { _header: header, _headerSent: isSent, outputData } = message as PrivateMessage
  if (header === null || !isSent) return 0
  const counted = isStrict(message) ? strictCount(message) : undefined
  if (counted !== undefined) return counted
  const socket = message.socket as PrivateSocket | null
  // Only these headers have been sent on the connection.
  if (socket?.bytesWritten === header.length) return 0
  const buffered = socket?._writableState?.buffered ?? []
  const queued = outputData.map(({ data, encoding }) => ({ chunk: data, encoding }))
  return bytesBehind(header, [...buffered, ...queued])
}

/** Number of bytes after the headers in a queue; `undefined` if the headers are no longer in it. */
function bytesBehind(header: string, queue: readonly (Entry | null)[]): number | undefined {
  const entries = queue.filter((entry) => entry !== null)
  const first = entries.findLastIndex(({ chunk }) => typeof chunk === 'string' && chunk.startsWith(header))
  if (first === -1) return undefined
  return entries.slice(first).reduce((sum, { chunk, encoding }, index) => {
    if (typeof chunk === 'string') return sum + byteLengthOf(index === 0 ? chunk.slice(header.length) : chunk, encoding)
    return sum + (chunk as Uint8Array).length
  }, 0)
}

function byteLengthOf(text: string, encoding: BufferEncoding | null | undefined): number {
  return Buffer.byteLength(text, encoding ?? undefined)
}

/** Whether `write` and `end` throw if the body differs from its announced length. */
export function isStrict(message: http.OutgoingMessage): boolean {
  return (message as PrivateMessage).strictContentLength === true
}

/** The count that Node keeps for `strictContentLength`. */
function strictCount(message: http.OutgoingMessage): number | undefined {
  const key = Object.getOwnPropertySymbols(message).find(({ description }) => description === 'kBytesWritten')
  const count: unknown = key === undefined ? undefined : Reflect.get(message, key)
  return typeof count === 'number' ? count : undefined
}

/** False for HEAD, 204 and 304, whose body http drops. Known once the headers are fixed. */
export function hasBody(message: http.OutgoingMessage): boolean {
  return (message as PrivateMessage)._hasBody
}

/** The status line and headers in their final form; `null` until they are fixed. */
export function sentHeader(message: http.OutgoingMessage): string | null {
  return (message as PrivateMessage)._header
}

/** The value of Content-Length in the fixed headers; `undefined` if it is missing. */
export function sentLength(message: http.OutgoingMessage): string | number | undefined {
  const { _header: header, _contentLength: stored } = message as PrivateMessage
  if (header === null) return undefined
  // Node has stored the length that it has put into the headers. The search makes new strings, and the pattern takes longer.
  if (typeof stored === 'number') {
    if (message.getHeader('content-length') === stored) return stored
    if (header.includes(`\r\nContent-Length: ${stored}\r\n`)) return stored
  }
  return /^content-length:(.*)$/im.exec(header)?.[1]
}

/** Fixes the headers of a message as its first `write` would, including what middleware does to them at that time. */
export function writeImplicitHeader(message: http.OutgoingMessage): void {
  ;(message as PrivateMessage)._implicitHeader()
}

/** Destroys a message whose body differs from its announced length. 'finish' is not emitted, because it would report success. */
export function condemn(message: http.OutgoingMessage, error: Error): void {
  const socket = message.socket as PrivateSocket | null
  // Up to Node 24, only this flag prevents 'finish' (onFinish, lib/_http_outgoing.js).
  if (socket !== null && message instanceof http.ServerResponse) socket._hadError = true
  message.destroy(error)
}
