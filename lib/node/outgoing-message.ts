/** Private fields of an http message: how many body bytes it has accepted, and whether it may finish. */
import http from 'node:http'
import type net from 'node:net'

import { despiteLoss, hideLoss, isLeft, isTaken } from './connection-loss.ts'
import { contentLengthMismatch } from '../errors/node-error.ts'
import { PROTOCOL, segmentOf } from './marker.ts'
import { declareOurs, isOwnSend } from './unpatched.ts'

/** What is told of every byte of a body. */
export interface BodyCount {
  /** So many bytes are about to be sent. Returns how many of them may be. */
  sending(length: number): number
  /** The last byte has been given to the connection, which no other message has yet. */
  finishing(): void
  /** Whether the kernel has taken the whole body, which the message is about to end. */
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

/** What waits in the queue of a stream. */
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

/** The copies of the package in one process count a body once. */
const BODY = Symbol.for(`sendfile64.body.${PROTOCOL}`)

/**
 * Lets `count` hear of the body of a message from now on, below every `write` and `end` that middleware has replaced.
 * Where another one hears of it already, that is returned. `undefined` where the body may go other ways than Node's.
 */
export function countBody<Count extends BodyCount>(
  message: http.OutgoingMessage,
  count: () => Count,
): Count | undefined {
  const target = message as CountedMessage
  if (target[BODY] !== undefined) return target[BODY] as Count
  if (!isOwnSend(target._send)) return undefined
  const made = count()
  // Stored as by Node itself: a message with defined properties is a slow object to V8, at three times the cost.
  target[BODY] = made
  target._send = countedSend
  target._finish = countedFinish
  return made
}

/** Node sends a body by this method alone; with a Content-Length, what it is given is the body and nothing else. */
function countedSend(
  this: CountedMessage,
  data: string | Uint8Array,
  encoding?: BufferEncoding | null,
  callback?: unknown,
  byteLength?: number,
): boolean {
  // Of now: whoever has replaced it since sees what is sent.
  const { _send: send } = Object.getPrototypeOf(this) as PrivateMessage
  const length = typeof data === 'string' ? (byteLength ?? byteLengthOf(data, encoding)) : data.length
  const fitting = this.chunkedEncoding || length === 0 ? length : this[BODY].sending(length)
  const isEnd = endsTaken(this, data)
  const written = isEnd && isCallback(callback) ? despiteLoss(this, callback) : callback
  if (length > 0) this[BODY].isTaken = isEnd
  if (fitting === length) return send.call(this, data, encoding, written, byteLength)
  // A range of a file cannot be cut any more. Whoever sends one has asked before.
  if (segmentOf(data) !== undefined) throw contentLengthMismatch(length, fitting)
  const bytes = typeof data === 'string' ? Buffer.from(data, encoding ?? undefined) : data
  return send.call(this, bytes.subarray(0, fitting), null, callback, fitting)
}

declareOurs(countedSend)

/** No listener: an event would be seen by who looks at the message. */
function countedFinish(this: CountedMessage): void {
  this[BODY].finishing()
  const { _finish: finish } = Object.getPrototypeOf(this) as PrivateMessage
  finish.call(this)
  // `end` has put 'finish' off to the next tick.
  if (this[BODY].isTaken) process.nextTick(hideLoss(this.socket))
}

/** Whether a chunked body is ended by this, of which every byte is in the kernel. Chunks of the user begin with no length. */
function endsTaken(message: CountedMessage, data: unknown): boolean {
  if (!message.chunkedEncoding || typeof data !== 'string' || !data.startsWith('0\r\n')) return false
  return message[BODY].isTaken || isTaken(message)
}

function isCallback(value: unknown): value is (error?: Error | null) => void {
  return typeof value === 'function'
}

/**
 * The kernel has taken the body of a message, which ends now. A connection that is ending or gone would not take a
 * terminator, and http drops it and the 'finish' with it (_writeRaw, lib/_http_outgoing.js): the message then ends as one
 * with a Content-Length does.
 */
export function bodyTaken(message: http.OutgoingMessage): void {
  const count = (message as Partial<CountedMessage>)[BODY]
  if (count !== undefined) count.isTaken = true
  if (isLeft(message.socket)) message.chunkedEncoding = false
}

/** How many bytes of its body a message has been given so far; `undefined` where that cannot be told any more. */
export function bodySoFar(message: http.OutgoingMessage): number | undefined {
  const { _header: header, _headerSent: isSent, outputData } = message as PrivateMessage
  if (header === null || !isSent) return 0
  const counted = isStrict(message) ? strictCount(message) : undefined
  if (counted !== undefined) return counted
  const socket = message.socket as PrivateSocket | null
  // Nothing but these headers has ever been sent on the connection.
  if (socket?.bytesWritten === header.length) return 0
  const buffered = socket?._writableState?.buffered ?? []
  const queued = outputData.map(({ data, encoding }) => ({ chunk: data, encoding }))
  return bytesBehind(header, [...buffered, ...queued])
}

/** The bytes behind the headers, while those still stand in a queue. */
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

/** Whether Node throws out of `write` and `end` where a body does not agree with its length. */
export function isStrict(message: http.OutgoingMessage): boolean {
  return (message as PrivateMessage).strictContentLength === true
}

/** What Node itself counts for `strictContentLength`. */
function strictCount(message: http.OutgoingMessage): number | undefined {
  const key = Object.getOwnPropertySymbols(message).find(({ description }) => description === 'kBytesWritten')
  const count: unknown = key === undefined ? undefined : Reflect.get(message, key)
  return typeof count === 'number' ? count : undefined
}

/** False for HEAD, 204 and 304: http drops what is written. Known once the headers are. */
export function hasBody(message: http.OutgoingMessage): boolean {
  return (message as PrivateMessage)._hasBody
}

/** The status line and headers as they go out; `null` until they are fixed. */
export function sentHeader(message: http.OutgoingMessage): string | null {
  return (message as PrivateMessage)._header
}

/** The value of Content-Length in the headers that are fixed; `undefined` if they do not have it. */
export function sentLength(message: http.OutgoingMessage): string | number | undefined {
  const { _header: header, _contentLength: stored } = message as PrivateMessage
  if (header === null) return undefined
  // Node has stored it as well: a plain search for that is much faster than a regular expression.
  if (typeof stored === 'number' && header.includes(`\r\nContent-Length: ${stored}\r\n`)) return stored
  return /^content-length:(.*)$/im.exec(header)?.[1]
}

/** Fixes the headers of a message as its first `write` would, including what middleware does to them at that time. */
export function writeImplicitHeader(message: http.OutgoingMessage): void {
  ;(message as PrivateMessage)._implicitHeader()
}

/** Ends the connection of a message whose body is not what was announced: without 'finish', which would call it whole. */
export function condemn(message: http.OutgoingMessage, error: Error): void {
  const socket = message.socket as PrivateSocket | null
  // onFinish, lib/_http_outgoing.js; up to Node 24 nothing else keeps it from being emitted.
  if (socket !== null && message instanceof http.ServerResponse) socket._hadError = true
  message.destroy(error)
}
