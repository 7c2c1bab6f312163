/**
 * How chunks reach a hooked socket: ordinary chunks through the methods below the hook, the bytes of a segment through the
 * kernel, or through the function that has replaced a method of Node when it is the turn of the segment.
 */
import { OBSTACLE } from '../errors/obstacle.ts'
import { KEY, type Segment, segmentOf, type WriteCallback, type WriteChunk } from '../node/marker.ts'
import type { Entries, Runs } from './writev.ts'
import { type HookedSocket, below, HookedSegmentSocket } from './segment-socket.ts'
import { isOurs, isOwnWritev } from '../node/unpatched.ts'

const EMPTY = Buffer.alloc(0)

/** The encoding that Writable passes with a Buffer. */
const BINARY = 'buffer' as BufferEncoding

/** Sends a segment whose turn has come. `write` writes the bytes that the kernel does not move. */
export function deliver(
  socket: HookedSocket,
  segment: Segment,
  callback: WriteCallback,
  write: WriteChunk = writeOf(socket),
): void {
  if (socket.connecting || socket._handle === null) {
    // An empty write waits for the connection, or fails with Node's error if the socket is closed.
    return below(socket, '_write').call(socket, EMPTY, BINARY, (error) =>
      error ? callback(error) : deliver(socket, segment, callback, write),
    )
  }
  const segmentSocket = new HookedSegmentSocket(socket)
  const obstacle = socket[KEY].obstacleTo(socket) ?? (segmentSocket.fd < 0 ? OBSTACLE.noDescriptor : undefined)
  if (obstacle === undefined) segment.deliver(segmentSocket, write, callback)
  else segment.materialize(segmentSocket, write, obstacle, callback)
}

/** A function that has replaced the hook receives the bytes; it usually calls the hook with them. */
function writeOf(socket: HookedSocket): WriteChunk {
  return (chunk, written) => {
    const { _write: current } = socket
    const write = isOurs(current) ? below(socket, '_write') : current
    write.call(socket, chunk, BINARY, written)
  }
}

/** Writes the runs of one `_writev` to a socket. */
export class SocketRuns implements Runs {
  readonly #socket: HookedSocket
  /** A `_writev` that is not Node's own. It also receives the bytes of segments. */
  readonly #foreign: Function | undefined
  /** The socket of the segment that is written next in this tick, if its obstacles have been checked in this tick. */
  #ready: HookedSegmentSocket | undefined

  /** `current` is the `_writev` of the socket. */
  constructor(socket: HookedSocket, current: Function | undefined) {
    const writev = isOurs(current) ? below(socket, '_writev') : current
    this.#socket = socket
    this.#foreign = isOwnWritev(writev) ? undefined : writev
  }

  write(run: Entries, callback: WriteCallback): void {
    const [first] = run
    const socket = this.#socket
    const segment = segmentOf(first?.chunk)
    const foreign = this.#foreign
    if (segment !== undefined) this.#deliver(segment, callback)
    else if (foreign !== undefined) Reflect.apply(foreign, socket, [run, callback])
    else if (first !== undefined && run.length === 1) {
      below(socket, '_write').call(socket, first.chunk, first.encoding, callback)
    } else below(socket, '_writev')?.call(socket, run, callback)
  }

  writeBefore(segment: Segment, run: Entries, callback: WriteCallback): void {
    if (this.#foreign !== undefined || !this.#sendAhead(run, segment, callback)) this.write(run, callback)
  }

  #deliver(segment: Segment, callback: WriteCallback): void {
    const ready = this.#ready
    this.#ready = undefined
    if (ready === undefined) deliver(this.#socket, segment, callback, this.#writeChunk)
    else segment.deliver(ready, writeOf(this.#socket), callback)
  }

  /**
   * Sends a small run directly before a segment, in the same TCP segment as its first bytes. An ordinary write would send a
   * separate packet and wake the peer once more. Returns whether bytes were sent; the others are written by Node.
   */
  #sendAhead(run: Entries, segment: Segment, callback: WriteCallback): boolean {
    const socket = this.#socket
    if (socket.connecting || socket._handle === null) return false
    const length = run.reduce((sum, { chunk }) => sum + (chunk as Buffer | string).length, 0)
    const segmentSocket = new HookedSegmentSocket(socket)
    if (length > HEAD_LIMIT || segmentSocket.fd < 0 || socket[KEY].obstacleTo(socket) !== undefined) return false
    const parts = run.map(({ chunk, encoding }) =>
      typeof chunk === 'string' ? Buffer.from(chunk, encoding) : (chunk as Buffer),
    )
    const [first] = parts
    const head = first !== undefined && parts.length === 1 ? first : Buffer.concat(parts)
    const sent = segment.sendHead(segmentSocket, head)
    if (sent === 0) return false
    if (sent === head.length) {
      this.#ready = segmentSocket
      callback()
    } else below(socket, '_write').call(socket, head.subarray(sent), BINARY, callback)
    return true
  }

  get #writeChunk(): WriteChunk | undefined {
    const foreign = this.#foreign
    if (foreign === undefined) return undefined
    return (chunk, written) => {
      const entries: Entries = [{ chunk, encoding: BINARY, callback: ignore }]
      entries.allBuffers = true
      Reflect.apply(foreign, this.#socket, [entries, written])
    }
  }
}

function ignore(): void {}

/** The most bytes to send ahead of a segment. Headers and chunk sizes are shorter. */
const HEAD_LIMIT = 16 * 1024
