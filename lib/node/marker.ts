/**
 * Marker chunks: how the bytes of a file keep their place among the bytes that JavaScript writes.
 *
 * We do not bypass the stream: a placeholder chunk travels through it and reserves the place of the file's bytes. A marker is
 * a Buffer with the length of a range of the file and without bytes. Writable calls `_write` for it when every earlier chunk
 * is in the kernel, and for a later chunk only after `_write` has called back. http frames it correctly, because it uses
 * nothing of a chunk but its length.
 */
import { Writable } from 'node:stream'

import { ownWrite, writeAsOwn } from './unpatched.ts'

import type { Obstacle } from '../errors/obstacle.ts'

/** The key of every property that the package adds to objects of other code. */
export const KEY = Symbol.for('sendfile64')

/** Copies of the package in one process share hooks and markers if they speak the same protocol. */
export const PROTOCOL = 1

export type WriteCallback = (error?: Error | null) => void

/** Writes a chunk to the socket immediately, with Node's own method. */
export type WriteChunk = (chunk: Buffer, callback: WriteCallback) => void

/** The transfer that is running on a socket. */
export interface Running {
  /** The socket is being destroyed in this tick; with an RST if `reset`. */
  destroyed(error: Error | null, reset: boolean): void
}

/** A guarded handle, and the number of transfers that need the guard. */
export interface Guard {
  readonly handle: object
  holders: number
}

/** The state of the package for a socket. */
export interface Hook {
  readonly protocol: number
  /** Bytes of transfers that `bytesWritten` includes. */
  dispatched: number
  /** Number of progress events. */
  moves: number
  running: Running | undefined
  /** Set while transfers prevent other code from taking over the socket. */
  guard: Guard | undefined
}

/** The socket of a segment whose turn has come: every earlier byte is in the kernel. */
export interface SegmentSocket {
  /** The descriptor of the socket, valid in this tick; -1 if there is none. */
  readonly fd: number
  /** Whether it is a TCP socket; otherwise it may be anything that libuv treats as a pipe. */
  readonly isTcp: boolean
  readonly hook: Hook
  /** Destroys the connection. */
  destroy(): void
  /**
   * Calls `action` when the socket has read everything that the kernel has received, or if it is not being read.
   * `isAnswered`: that was the whole response to a request, whose body is then no longer needed.
   */
  afterReading(action: (isAnswered: boolean) => void): void
  /** Number of bytes that libuv has not written yet. */
  readonly queued: number
  /** Restarts the idle timer of the socket, because bytes have moved. */
  refreshIdleTimer(): void
  /** The socket's idle timeout in ms, 0 for none. */
  readonly idleTimeout: number
  /** Prevents other code from taking over the socket: child.send() fails with ERR_SENDFILE_BUSY, others wait. */
  guard(): void
  /** The end of one `guard()`. */
  unguard(): void
}

/** The range of a file that a marker represents. */
export interface Segment {
  readonly protocol: typeof PROTOCOL
  /** The length of the marker, in bytes. */
  readonly length: number
  /**
   * Sends, in the tick of {@link deliver}, the bytes that http has written before the marker. Returns the number of bytes
   * that the kernel accepted; 0 if they must be written by Node.
   */
  sendHead(socket: SegmentSocket, head: Buffer): number
  /** Moves the bytes in the kernel, or copies them if a descriptor cannot be obtained. */
  deliver(socket: SegmentSocket, write: WriteChunk, callback: WriteCallback): void
  /** The kernel cannot send to the socket after all: reads the bytes and writes them. */
  materialize(socket: SegmentSocket, write: WriteChunk, obstacle: Obstacle, callback: WriteCallback): void
}

const NO_BYTES = new ArrayBuffer(0)

function statedLength(this: Buffer): number {
  return segmentOf(this)?.length ?? 0
}

/** A class, because V8 then creates a marker with one allocation. Changing the prototype of a Buffer takes ten times as long. */
class Marker extends Uint8Array {
  readonly [KEY]: Segment

  constructor(segment: Segment) {
    super(NO_BYTES)
    this[KEY] = segment
  }
}

Object.setPrototypeOf(Marker.prototype, Buffer.prototype)
Object.defineProperties(Marker.prototype, { length: { get: statedLength }, byteLength: { get: statedLength } })

/** Creates a chunk that represents `segment`. */
export function marker(segment: Segment): Buffer {
  const chunk: Uint8Array = new Marker(segment)
  if (chunk instanceof Buffer) return chunk
  throw new TypeError('a marker is a Buffer')
}

/** The segment that a chunk represents; `undefined` for ordinary chunks. */
export function segmentOf(chunk: unknown): Segment | undefined {
  if (!(chunk instanceof Buffer) || !(KEY in chunk)) return undefined
  const segment = chunk[KEY]
  return isSegment(segment) ? segment : undefined
}

function isSegment(value: unknown): value is Segment {
  return typeof value === 'object' && value !== null && 'protocol' in value && value.protocol === PROTOCOL
}

/**
 * Whether this version of Node reads the length of a chunk as a property (20 to 26 do). If not, everything is copied.
 */
export function markersWork(): boolean {
  const segment: Segment = { protocol: PROTOCOL, length: 7, sendHead: () => 0, deliver() {}, materialize() {} }
  const seen: unknown[] = []
  const sink = new Writable({
    write(chunk: unknown, _encoding, callback) {
      seen.push(segmentOf(chunk) === segment, sink.writableLength)
      callback()
    },
  })
  // Bypasses a replaced `write`. If Node's own is unknown, markers are never written.
  if (ownWrite(sink) !== undefined) writeAsOwn(sink, marker(segment))
  sink.destroy()
  return seen.join() === 'true,7'
}
