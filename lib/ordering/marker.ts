/**
 * Marker chunks: how bytes that only the kernel sees keep their place between bytes that JavaScript writes.
 *
 * The stream machinery is not stopped, it is gone through. A marker is a Buffer that says it is as long as a range of
 * the file and holds no byte. Writable calls `_write` for it once every chunk before it is in the kernel, and for no
 * later chunk before ours has called back; http frames it, because it reads nothing of a chunk but its length.
 */
import { Writable } from 'node:stream'

import { ownWrite, writeAsOwn } from '../node/unpatched.ts'

import type { Obstacle } from '../errors/obstacle.ts'

/** The key of everything we put on an object of somebody else. */
export const KEY = Symbol.for('sendfile64')

/** Copies of the package in one process share hooks and markers if they speak the same protocol. */
export const PROTOCOL = 1

export type WriteCallback = (error?: Error | null) => void

/** Node's own way to write a chunk to the socket, now. */
export type WriteChunk = (chunk: Buffer, callback: WriteCallback) => void

/** The transfer whose bytes a socket is taking. */
export interface Running {
  /** The socket is being destroyed, in this very tick; with a RST if `reset`. */
  destroyed(error: Error | null, reset: boolean): void
}

/** A handle that must stay in these hands, and for how many. */
export interface Guard {
  readonly handle: object
  holders: number
}

/** What we remember of a socket. */
export interface Hook {
  readonly protocol: number
  /** Bytes of ours that `bytesWritten` counts. */
  dispatched: number
  /** How often bytes of ours have been seen to move. */
  moves: number
  running: Running | undefined
  /** While transfers need the socket to stay in these hands. */
  guard: Guard | undefined
}

/** Where a segment's turn has come: every byte before it is in the kernel. */
export interface Place {
  /** The socket's number, valid in this tick; -1 where there is none. */
  readonly fd: number
  /** Whether that is a TCP socket; else it may be anything that libuv calls a pipe. */
  readonly isTcp: boolean
  readonly hook: Hook
  /** Ends the connection without another byte. */
  destroy(): void
  /**
   * Calls `action` when the socket has read what the kernel has received, or nobody reads it; `isAnswered` if that was the
   * whole answer to a request, which then needs no more of its body.
   */
  afterReading(action: (isAnswered: boolean) => void): void
  /** What libuv has been given and has not written, in bytes. */
  readonly queued: number
  /** The socket's idle timer starts again: bytes have moved. */
  refreshIdleTimer(): void
  /** The socket's idle timeout in ms, 0 for none. */
  readonly idleTimeout: number
  /** The socket must stay in these hands: child.send() fails with ERR_SENDFILE_BUSY, others wait. */
  guard(): void
  /** The end of one `guard()`. */
  unguard(): void
}

/** The range of a file that one marker stands for. */
export interface Segment {
  readonly protocol: typeof PROTOCOL
  /** In bytes: what the marker says. */
  readonly length: number
  /**
   * Sends, in the tick of {@link deliver}, what http has written before it. Returns the bytes taken; 0 where its order is
   * not ours to keep.
   */
  sendHead(place: Place, head: Buffer): number
  /** Move the bytes by the kernel; what it has no descriptor for is read and written. */
  deliver(place: Place, write: WriteChunk, callback: WriteCallback): void
  /** The socket has no descriptor for us after all: read the bytes and write them. */
  materialise(place: Place, write: WriteChunk, obstacle: Obstacle, callback: WriteCallback): void
}

const NO_BYTES = new ArrayBuffer(0)

function statedLength(this: Buffer): number {
  return segmentOf(this)?.length ?? 0
}

/** A class, so that making one is a single allocation of V8's; to change the prototype of a Buffer costs ten times as much. */
class Marker extends Uint8Array {
  readonly [KEY]: Segment

  constructor(segment: Segment) {
    super(NO_BYTES)
    this[KEY] = segment
  }
}

Object.setPrototypeOf(Marker.prototype, Buffer.prototype)
Object.defineProperties(Marker.prototype, { length: { get: statedLength }, byteLength: { get: statedLength } })

/** A chunk that stands for `segment`. */
export function marker(segment: Segment): Buffer {
  const chunk: Uint8Array = new Marker(segment)
  if (chunk instanceof Buffer) return chunk
  throw new TypeError('a marker is a Buffer')
}

/** The segment that a chunk stands for, `undefined` for ordinary chunks. */
export function segmentOf(chunk: unknown): Segment | undefined {
  if (!(chunk instanceof Buffer) || !(KEY in chunk)) return undefined
  const segment = chunk[KEY]
  return isSegment(segment) ? segment : undefined
}

function isSegment(value: unknown): value is Segment {
  return typeof value === 'object' && value !== null && 'protocol' in value && value.protocol === PROTOCOL
}

/**
 * Whether this Node still reads the length of a chunk as a property (20 to 26 do). If not, everything is copied.
 */
export function markersWork(): boolean {
  const segment: Segment = { protocol: PROTOCOL, length: 7, sendHead: () => 0, deliver() {}, materialise() {} }
  const seen: unknown[] = []
  const sink = new Writable({
    write(chunk: unknown, _encoding, callback) {
      seen.push(segmentOf(chunk) === segment, sink.writableLength)
      callback()
    },
  })
  // Past whoever has replaced `write`; where Node's own is not known, no marker is ever written.
  if (ownWrite(sink) !== undefined) writeAsOwn(sink, marker(segment))
  sink.destroy()
  return seen.join() === 'true,7'
}
