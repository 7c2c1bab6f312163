/** One call of `sendfile` to a stream: puts the bytes in their place, hears how they fared, settles once. */
import http from 'node:http'
import net from 'node:net'

import type { EngineEvent } from './binding.ts'
import { ChunkWriter } from './chunk-writer.ts'
import { copyRange, type Range, type RangeEnd } from './copy.ts'
import {
  closedState,
  connectionOf,
  fixHeaders,
  prepare,
  type Route,
  routeTo,
  serverSocket,
  wrapperObstacle,
} from './destination.ts'
import { aborted, badDestination, isConsequence } from './errors.ts'
import { OBSTACLE, type Obstacle } from './errors/obstacle.ts'
import { Framing } from './framing.ts'
import { callUnheld, type Destination, inOrder, passHold } from './hold.ts'
import { marker } from './marker.ts'
import { END } from './native/codes.ts'
import { guardSocket, underway, unguardSocket } from './node-handles.ts'
import { add, type Bytes } from './option-values.ts'
import type { Method, Request } from './options.ts'
import { choose, debug, mustNotBeForced } from './preference.ts'
import { FileSegment, NOTHING_SENT, type SegmentOwner } from './segment.ts'
import { type Abortable, offAbort, onAbort } from './signal.ts'
import { type Settle, Settlement } from './settlement.ts'
import { fileObstacle, type OpenFile, openFile, type ParsedSource, rangeOf } from './source.ts'
import { StallWatch } from './stall-watch.ts'
import { unwatch, watch, type Watcher } from './watch.ts'

/** Chunks of the portable executor, in bytes: what stock streams use. */
const COPY_CHUNK = 64 * 1024
/** Towards TLS nobody sees the chunks, and fewer are cheaper. */
const COPY_CHUNK_TLS = 256 * 1024

/** One call of `sendfile`. */
export class Sending implements SegmentOwner, Watcher, Abortable {
  readonly #destination: Destination
  readonly #listen: Destination['on']
  readonly #source: ParsedSource
  readonly #request: Request
  readonly #settlement: Settlement
  /** Lets the destination go while the file is still being opened. */
  #letGo: (() => void) | undefined
  /** The socket is guarded for a transfer that waits for its turn. */
  #guarded: net.Socket | undefined
  #stallWatch: StallWatch | undefined
  /** The connection under a response that waits for its turn on it. */
  readonly #connection: net.Socket | undefined
  #file: OpenFile | undefined
  #segment: FileSegment | undefined
  /** Why the engine copies although the kernel could do better. */
  #reluctance: Obstacle | undefined
  /** http drops what is written: HEAD, 204, 304. */
  #dropped = false
  /** Of the portable executor. */
  #writer: ChunkWriter | undefined
  readonly #framing: Framing

  constructor(destination: Destination, source: ParsedSource, request: Request, settle: Settle) {
    this.#destination = destination
    this.#listen = destination.on
    this.#source = source
    this.#request = request
    this.#settlement = new Settlement(request, settle)
    this.#framing = new Framing(destination)
    const waits = destination instanceof http.ServerResponse && destination.socket === null
    this.#connection = waits ? serverSocket(destination) : undefined
  }

  begin(): void {
    const { signal } = this.#request
    if (signal !== undefined) onAbort(signal, this)
    watch(this.#destination, this.#connection, this)
    let hasBegun = false
    inOrder(this.#destination, () => {
      hasBegun = true
      this.#stallWatch?.stop()
      return this.#open()
    })
    // What it waits for may stall, and need not have a timeout of its own.
    if (!hasBegun)
      this.#watchStall(() => this.#fail(this.#settlement.errorOf({ ...NOTHING_SENT, end: END.stalled }, undefined)))
  }

  /* -------------------------------------------------- the way there */

  #open(): void | Promise<void> {
    if (this.#settlement.isSettled) return
    const state = closedState(this.#destination)
    if (state !== undefined) return this.#fail(badDestination(`The destination is ${state} before its turn has come`))
    let opened: OpenFile | Promise<OpenFile>
    try {
      opened = openFile(this.#source, this.#request.count)
    } catch (error) {
      return this.#fail(error)
    }
    if (!(opened instanceof Promise)) return this.#send(opened)
    const pending = opened
    return new Promise((release) => {
      this.#letGo = release // an aborted transfer does not go on holding the destination for the disk
      const sent = pending.then(
        (file) => (this.#settlement.isSettled ? file.close() : this.#send(file)),
        (error: unknown) => this.#fail(error),
      )
      void sent.then(release)
    })
  }

  #send(file: OpenFile): void | Promise<void> {
    this.#file = file
    try {
      return this.#sendRange(file)
    } catch (error) {
      return this.#fail(error)
    }
  }

  #sendRange(file: OpenFile): void | Promise<void> {
    const range = rangeOf(file, this.#request)
    this.#settlement.start = range.offset
    this.#settlement.count = range.count
    this.#settlement.path = file.path
    const route = routeTo(this.#destination)
    const { count } = range
    const unsized = count === undefined ? OBSTACLE.unsized : undefined
    const obstacle = (route.by === 'copy' ? route.obstacle : undefined) ?? fileObstacle(file) ?? unsized
    if (obstacle !== undefined) mustNotBeForced(this.#request, obstacle)
    const length = count === undefined ? undefined : this.#lengthWith(count)
    if (length !== undefined) this.#framing.announce(length, this.#request.end)
    if (length === 0) return void this.ended({ ...NOTHING_SENT, end: END.done }, undefined, obstacle)
    fixHeaders(this.#destination)
    const { native: source } = file
    if (route.by === 'copy' || source === undefined || count === undefined || length === undefined) {
      return this.#copy(range, obstacle ?? OBSTACLE.unsized)
    }
    const wrapper = route.by === 'message' ? wrapperObstacle(route.message, length) : undefined
    if (wrapper !== undefined) {
      mustNotBeForced(this.#request, wrapper)
      return this.#copy(range, wrapper)
    }
    const { methods, obstacle: reluctance } = choose(this.#request.method, file.remote)
    this.#reluctance = reluctance
    debug('%s by marker, methods %d, %s', file.path ?? `fd ${file.fd}`, methods, reluctance?.reason ?? 'no obstacle')
    const kernelRange = { ...range, count, source }
    const framed = route.by === 'message'
    return this.#sendMarker(route, new FileSegment(kernelRange, methods, framed, this, this.#request))
  }

  /** What the destination gets in all. */
  #lengthWith(count: Bytes): Bytes {
    const { headers, trailers } = this.#request
    return add(count, headers.length + trailers.length)
  }

  async #copy(range: Range, obstacle: Obstacle): Promise<void> {
    debug('%s is copied: %s', range.file.path ?? `fd ${range.file.fd}`, obstacle.reason)
    const writer = new ChunkWriter(this.#destination, this.#listen)
    this.#writer = writer
    const size = Math.min(obstacle.code === 'TLS' ? COPY_CHUNK_TLS : COPY_CHUNK, this.#request.quantum)
    const taker = {
      take: (chunk: Buffer) => writer.take(chunk),
      outstanding: () => writer.outstanding(),
      progress: (bytesSent: number) => this.progress(bytesSent, 'copy'),
    }
    const bounded = range.count === undefined ? this.#framing.bound(range, this.#request) : range
    const copied = await copyRange(bounded, this.#request, size, taker, writer.stop)
    // Whose size was not known is not too short.
    const end = bounded !== range && copied.end === END.truncated ? { ...copied, end: END.done } : copied
    this.#dropped = writer.dropped
    if (this.ended(end, undefined, obstacle) !== undefined && !writer.refused) this.#framing.breakOff()
  }

  #sendMarker(route: Exclude<Route, { by: 'copy' }>, segment: FileSegment): void {
    this.#segment = segment
    prepare(route)
    const written = (error?: Error | null): void => this.#written(segment, error)
    // Past our own hold, and past wrappers that have proved not to alter the body.
    const args = [marker(segment), written]
    passHold(this.#destination, () => {
      if (route.by === 'socket') Reflect.apply(net.Socket.prototype.write, route.socket, args)
      else Reflect.apply(http.OutgoingMessage.prototype.write, route.message, args)
    })
    // http corks for the rest of this tick; what is still waiting then, waits for the peer.
    if (route.by === 'socket') this.#guard(segment)
    else process.nextTick(() => this.#guard(segment))
  }

  #guard(segment: FileSegment): void {
    if (!segment.isWaiting || this.#settlement.isSettled) return
    this.#watchStall(() => segment.cancel(END.stalled))
    this.#guarded = connectionOf(this.#destination)
    if (this.#guarded !== undefined) guardSocket(this.#guarded)
  }

  /** While another one has its turn. */
  #watchStall(stalled: () => void): void {
    const { stallTimeout } = this.#request
    const connection = this.#connection ?? connectionOf(this.#destination)
    if (stallTimeout === 0 || connection === undefined) return
    this.#stallWatch = new StallWatch(() => underway(connection), stallTimeout, stalled)
  }

  /** Only news if the segment's turn never came. */
  #written(segment: FileSegment, error: Error | null | undefined): void {
    if (this.#settlement.isSettled || !segment.isWaiting) return
    if (error) this.#settlement.closedBy ??= { error: this.#destroyedBy(error) }
    else this.#dropped = true // HEAD, 204, 304
    segment.cancel()
  }

  /** That the stream was destroyed is what becomes of its chunks, not why. */
  #destroyedBy(error: Error): unknown {
    if (!isConsequence(error)) return error
    const { errored }: { errored?: unknown } = connectionOf(this.#destination) ?? {}
    return isConsequence(errored) ? undefined : (errored ?? undefined)
  }

  /* -------------------------------------------------- what happens on the way */

  started(offset: Bytes): void {
    this.#stallWatch?.stop()
    this.#settlement.start = offset
  }

  progress(bytesSent: number, method: Method): void {
    if (!this.#settlement.progress(bytesSent, method)) this.#giveUp()
  }

  closed(error: unknown): void {
    const settlement = this.#settlement
    if (settlement.isSettled) return
    settlement.closedBy ??= { error }
    if (error !== undefined && settlement.closedBy.error === undefined) settlement.closedBy = { error }
    if (this.#segment?.isWaiting === true) this.#segment.cancel()
    else if (this.#file === undefined) this.#failClosed()
    else this.#writer?.giveUp()
  }

  abort(): void {
    const { signal } = this.#request
    if (this.#segment === undefined && this.#file === undefined && signal !== undefined) this.#fail(aborted(signal))
    else this.#giveUp()
  }

  #giveUp(): void {
    if (this.#segment !== undefined) this.#segment.cancel()
    else this.#writer?.giveUp()
  }

  #failClosed(): void {
    this.#fail(this.#settlement.errorOf({ ...NOTHING_SENT, end: END.aborted }, undefined))
  }

  /* -------------------------------------------------- the end */

  ended(end: RangeEnd, event?: EngineEvent, obstacle?: Obstacle): Error | undefined {
    const settlement = this.#settlement
    if (settlement.isSettled) return undefined
    const bytes = this.#dropped ? { ...end, bytesSent: 0 } : end
    const lost = this.#writer?.cutShort === true && settlement.closedBy !== undefined
    if ((end.end !== END.done || lost) && !this.#dropped) {
      const error = settlement.errorOf(end, event)
      this.#fail(error, end.bytesSent)
      return error instanceof Error ? error : badDestination('onProgress has thrown')
    }
    try {
      if (this.#request.end) callUnheld(this.#destination, 'end')
      if (this.#framing.failure !== undefined) throw this.#framing.failure
    } catch (error) {
      this.#fail(error, bytes.bytesSent)
      return error instanceof Error ? error : undefined
    }
    this.#release()
    settlement.resolve(bytes, event, obstacle ?? this.#reluctance)
    return undefined
  }

  #fail(error: unknown, bytesSent = 0): void {
    if (this.#settlement.isSettled) return
    this.#release()
    this.#framing.takeBack()
    this.#settlement.reject(error, bytesSent)
  }

  #release(): void {
    this.#settlement.close(this.#file?.close())
    unwatch(this.#destination, this.#connection, this)
    this.#writer?.release()
    this.#stallWatch?.stop()
    if (this.#request.signal !== undefined) offAbort(this.#request.signal, this)
    this.#letGo?.()
    if (this.#guarded !== undefined) unguardSocket(this.#guarded)
  }
}
