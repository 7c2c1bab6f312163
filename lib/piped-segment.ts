/** One marker on its way from a piped stream to its destination: holds the file, and hears what becomes of it. */
import http from 'node:http'
import type net from 'node:net'

import type { EngineEvent } from './binding.ts'
import type { RangeEnd } from './copy.ts'
import { connectionOf, prepare, type Route, serverSocket } from './destination.ts'
import { marker } from './marker.ts'
import type { Obstacle } from './errors/obstacle.ts'
import type { NativeFile } from './native-file.ts'
import { guardSocket, unguardSocket } from './node-handles.ts'
import { hasBody } from './node-internals.ts'
import type { Request } from './options.ts'
import { FileSegment, type SegmentOwner } from './segment.ts'

/** Which bytes of an open file. */
export interface Piece {
  /** Closed once the segment is over. */
  readonly file: NativeFile
  /** In bytes from the start of the file. */
  readonly offset: number
  readonly length: number
}

/** What the engine is asked for. */
export interface How {
  /** A choice of lib/binding.ts. */
  readonly methods: number
  readonly request: Request
}

/** How a segment ended. Made for every one of them: nothing is copied into it. */
export interface SegmentEnd {
  readonly range: RangeEnd
  /** http has thrown the marker away: the message has no body, or `write` has thrown. */
  readonly dropped: boolean
  /** `write` has thrown. */
  readonly threw: boolean
  /** From the first byte to the last, in ms. */
  readonly tookMs: number
  readonly event: EngineEvent | undefined
  readonly obstacle: Obstacle | undefined
}

/** Who is told. */
export interface SegmentSender {
  /** So many bytes of the segment have been moved. */
  segmentProgressed(segment: PipedSegment, bytes: number): void
  /** It is over; the file is still open. Returns the error that the destination fails with. */
  segmentEnded(segment: PipedSegment, end: SegmentEnd): Error | undefined
}

export class PipedSegment implements SegmentOwner {
  readonly piece: Piece
  readonly #route: Exclude<Route, { by: 'copy' }>
  readonly #sender: SegmentSender
  readonly #segment: FileSegment
  #startedAt = 0
  #dropped = false
  #threw = false
  /** What is listened to until the segment's turn comes. */
  #watched: NodeJS.EventEmitter[] = []
  #guarded: net.Socket | undefined
  readonly #cancel = (): void => this.cancel()

  constructor(piece: Piece, how: How, route: Exclude<Route, { by: 'copy' }>, sender: SegmentSender) {
    const { file, offset, length } = piece
    this.piece = piece
    this.#route = route
    this.#sender = sender
    const range = { file, source: file, offset, count: length, ownPosition: false }
    this.#segment = new FileSegment(range, how.methods, route.by === 'message', this, how.request)
  }

  /** Puts the marker into the destination. `write` is how; what it throws is thrown. */
  write(write: (chunk: Buffer) => void): void {
    prepare(this.#route)
    this.#threw = true
    try {
      write(marker(this.#segment))
      this.#threw = false
    } finally {
      if (this.#threw) this.#drop()
    }
    const message = this.#message
    if (message !== undefined && this.#segment.isWaiting && !hasBody(message)) this.#drop()
    else if (this.#segment.isWaiting) this.#await()
  }

  /** If its turn has not come yet, it will send nothing. */
  cancel(): void {
    if (this.#segment.isWaiting) this.#segment.cancel()
  }

  /** The pipe that would tell when the destination closes is gone. */
  letGo(): void {
    if (this.#segment.isWaiting) this.#watch(this.#stream)
  }

  started(): void {
    this.#startedAt = performance.now()
    this.#ignore()
  }

  progressed(bytes: number): void {
    this.#sender.segmentProgressed(this, bytes)
  }

  ended(range: RangeEnd, event?: EngineEvent, obstacle?: Obstacle): Error | undefined {
    this.#ignore()
    const tookMs = performance.now() - this.#startedAt
    const dropped = this.#dropped
    const threw = this.#threw
    try {
      return this.#sender.segmentEnded(this, { range, dropped, threw, tookMs, event, obstacle })
    } finally {
      this.piece.file.close()
    }
  }

  get #stream(): net.Socket | http.OutgoingMessage {
    return this.#route.by === 'socket' ? this.#route.socket : this.#route.message
  }

  get #message(): http.OutgoingMessage | undefined {
    return this.#route.by === 'message' ? this.#route.message : undefined
  }

  #drop(): void {
    this.#dropped = true
    this.cancel()
  }

  /** The pipe tells when its destination closes. A response that waits for its connection is not told when that does. */
  #await(): void {
    const stream = this.#stream
    if (stream.destroyed) return this.cancel()
    const waits = stream instanceof http.ServerResponse && stream.socket === null
    const connection = waits ? serverSocket(stream) : undefined
    if (connection !== undefined) this.#watch(connection)
    // http corks for the rest of this tick; what is still waiting then, waits for the peer.
    process.nextTick(() => this.#guard(connectionOf(stream)))
  }

  /** A destination that closes takes the marker with it, and http tells nobody of what it had queued. */
  #watch(emitter: NodeJS.EventEmitter): void {
    this.#watched.push(emitter)
    emitter.on('close', this.#cancel)
  }

  #guard(socket: net.Socket | undefined): void {
    if (socket === undefined || !this.#segment.isWaiting) return
    this.#guarded = socket
    guardSocket(socket)
  }

  #ignore(): void {
    for (const emitter of this.#watched) emitter.off('close', this.#cancel)
    this.#watched = []
    if (this.#guarded !== undefined) unguardSocket(this.#guarded)
    this.#guarded = undefined
  }
}
