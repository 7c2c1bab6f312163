/** One call of `sendfile`: puts the bytes in their place, hears how they fared, settles once. */
import http from 'node:http'
import net from 'node:net'

import { END, type EngineEvent, LADDER } from './binding.ts'
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
import { aborted, badDestination, foreignError, isConsequence, SendfileError, unsupported } from './errors.ts'
import { Framing } from './framing.ts'
import { callUnheld, type Destination, inOrder, passHold } from './hold.ts'
import { marker, type Obstacle } from './marker.ts'
import { guardSocket, unguardSocket } from './node-internals.ts'
import { type Bytes, remaining, type Request } from './options.ts'
import { FileSegment, NOTHING_SENT, type SegmentOwner } from './segment.ts'
import { type Abortable, offAbort, onAbort } from './signal.ts'
import { account, type Circumstances, errorOf, resultOf, type SendfileResult } from './settlement.ts'
import { fileObstacle, FILESYSTEM, type OpenFile, openFile, type ParsedSource } from './source.ts'
import { unwatch, watch, type Watcher } from './watch.ts'

/** Chunks of the portable executor, in bytes: what stock streams use. */
const COPY_CHUNK = 64 * 1024
/** Towards TLS nobody sees the chunks, and fewer are cheaper. */
const COPY_CHUNK_TLS = 256 * 1024

/** The conformance suite has passed on Linux only. */
const COPIES_BY_DEFAULT = process.platform !== 'linux'
const UNPROVEN: Obstacle = { code: 'PLATFORM', reason: `sendfile(2) has to be asked for on ${process.platform}` }

/** Settles the promise of the call, once. */
export interface Settle {
  resolve(result: SendfileResult | SendfileResult<bigint>): void
  reject(error: unknown): void
}

/** One call of `sendfile`. */
export class Sending implements SegmentOwner, Watcher, Abortable {
  readonly #destination: Destination
  readonly #source: ParsedSource
  readonly #request: Request
  readonly #settle: Settle
  readonly #startedAt = performance.now()
  /** Lets the destination go while the file is still being opened. */
  #letGo: (() => void) | undefined
  /** The socket is guarded for a transfer that waits for its turn. */
  #guarded: net.Socket | undefined
  /** The connection under a response that waits for its turn on it. */
  readonly #connection: net.Socket | undefined
  #file: OpenFile | undefined
  #segment: FileSegment | undefined
  #start: Bytes
  /** `undefined`: until the file ends, for want of a way to learn the position it is read from. */
  #count: Bytes | undefined
  #settled = false
  #closedBy: { readonly error: unknown } | undefined
  /** http drops what is written: HEAD, 204, 304. */
  #dropped = false
  /** Of the portable executor. */
  #writer: ChunkWriter | undefined
  readonly #framing: Framing

  constructor(destination: Destination, source: ParsedSource, request: Request, settle: Settle) {
    this.#destination = destination
    this.#source = source
    this.#request = request
    this.#settle = settle
    this.#start = request.offset ?? 0
    this.#framing = new Framing(destination)
    const waits = destination instanceof http.ServerResponse && destination.socket === null
    this.#connection = waits ? serverSocket(destination) : undefined
  }

  begin(): void {
    const { signal } = this.#request
    if (signal !== undefined) onAbort(signal, this)
    watch(this.#destination, this.#connection, this)
    inOrder(this.#destination, () => this.#open())
  }

  /* -------------------------------------------------- the way there */

  #open(): void | Promise<void> {
    if (this.#settled) return
    const state = closedState(this.#destination)
    if (state !== undefined) return this.#fail(badDestination(`The destination is ${state} before its turn has come`))
    let opened: OpenFile | Promise<OpenFile>
    try {
      opened = openFile(this.#source)
    } catch (error) {
      return this.#fail(error)
    }
    if (!(opened instanceof Promise)) return this.#send(opened)
    const pending = opened
    return new Promise((release) => {
      this.#letGo = release // an aborted transfer does not go on holding the destination for the disk
      const sent = pending.then(
        (file) => (this.#settled ? file.close() : this.#send(file)),
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
    const ownPosition = this.#request.offset === null
    const unknown = ownPosition && file.native === undefined
    if (ownPosition) this.#start = file.native?.position ?? 0
    this.#count = this.#request.count ?? (unknown ? undefined : remaining(file.size, this.#start))
    const range = { file, offset: this.#start, ownPosition, count: this.#count }
    const route = routeTo(this.#destination)
    const obstacle = route.by === 'copy' ? route.obstacle : fileObstacle(file)
    if (obstacle !== undefined) this.#refuseForced(obstacle)
    if (this.#request.end && range.count !== undefined) this.#framing.announce(range.count)
    if (range.count === 0) return void this.ended({ ...NOTHING_SENT, end: END.done }, undefined, obstacle)
    fixHeaders(this.#destination)
    const { native: source } = file
    if (route.by === 'copy' || source === undefined || range.count === undefined) {
      return this.#copy(range, obstacle ?? FILESYSTEM)
    }
    const { count } = range
    const wrapper = route.by === 'message' ? wrapperObstacle(route.message, count) : undefined
    if (wrapper !== undefined) {
      this.#refuseForced(wrapper)
      return this.#copy(range, wrapper)
    }
    const kernelRange = { file, offset: this.#start, ownPosition, count, source }
    return this.#sendMarker(route, new FileSegment(kernelRange, this.#ladder(), route.by === 'message', this))
  }

  #refuseForced({ reason }: Obstacle): void {
    if (this.#request.method !== 'sendfile') return
    throw unsupported(`sendfile(2) is not possible: ${reason}`, account(0, this.#circumstances()))
  }

  async #copy(range: Range, obstacle: Obstacle): Promise<void> {
    const writer = new ChunkWriter(this.#destination)
    this.#writer = writer
    const size = obstacle.code === 'TLS' ? COPY_CHUNK_TLS : COPY_CHUNK
    const end = await copyRange(
      range,
      size,
      (chunk) => writer.take(chunk),
      () => writer.stopped,
    )
    this.#dropped = writer.dropped
    if (this.ended(end, undefined, obstacle) !== undefined) this.#framing.breakOff()
  }

  #ladder(): number {
    const { method } = this.#request
    return method === 'auto' && COPIES_BY_DEFAULT ? LADDER.copy : LADDER[method]
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
    if (!segment.isWaiting || this.#settled) return
    this.#guarded = connectionOf(this.#destination)
    if (this.#guarded !== undefined) guardSocket(this.#guarded)
  }

  /** Only news if the segment's turn never came. */
  #written(segment: FileSegment, error: Error | null | undefined): void {
    if (this.#settled || !segment.isWaiting) return
    if (error) this.#closedBy ??= { error: this.#destroyedBy(error) }
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
    this.#start = offset
  }

  closed(error: unknown): void {
    if (this.#settled) return
    this.#closedBy ??= { error }
    if (error !== undefined && this.#closedBy.error === undefined) this.#closedBy = { error }
    if (this.#segment?.isWaiting === true) this.#segment.cancel()
    else if (this.#file === undefined) this.#failClosed()
    else this.#writer?.stop()
  }

  abort(): void {
    const { signal } = this.#request
    if (this.#segment !== undefined) this.#segment.cancel()
    else if (this.#file === undefined && signal !== undefined)
      this.#fail(aborted(signal, account(0, this.#circumstances())))
    else this.#writer?.stop()
  }

  #failClosed(): void {
    this.#fail(
      errorOf(
        { bytesSent: 0, end: END.aborted, errno: 0, syscalls: 0, wouldBlock: 0 },
        this.#circumstances(),
        undefined,
      ),
    )
  }

  /* -------------------------------------------------- the end */

  ended(end: RangeEnd, event?: EngineEvent, obstacle?: Obstacle): Error | undefined {
    if (this.#settled) return undefined
    const circumstances = this.#circumstances()
    const bytes = this.#dropped ? { ...end, bytesSent: 0 } : end
    const lost = this.#writer?.cutShort === true && this.#closedBy !== undefined
    if ((end.end !== END.done || lost) && !this.#dropped) {
      const error = errorOf(end, circumstances, event)
      this.#fail(error, end.bytesSent)
      return error
    }
    try {
      if (this.#request.end) this.#endDestination()
    } catch (error) {
      this.#fail(error, bytes.bytesSent)
      return error instanceof Error ? error : undefined
    }
    this.#release()
    this.#settle.resolve(resultOf(bytes, circumstances, event, obstacle ?? this.#platformObstacle()))
    return undefined
  }

  #platformObstacle(): Obstacle | undefined {
    return this.#request.method === 'auto' && COPIES_BY_DEFAULT ? UNPROVEN : undefined
  }

  #endDestination(): void {
    callUnheld(this.#destination, 'end')
  }

  #fail(error: unknown, bytesSent = 0): void {
    if (this.#settled) return
    this.#release()
    this.#framing.takeBack()
    const so = account(bytesSent, this.#circumstances())
    if (!(error instanceof Error)) return this.#settle.reject(error)
    const foreign = !(error instanceof SendfileError) && 'syscall' in error
    // Node's own errors stay what they are.
    this.#settle.reject(foreign ? foreignError(error, so, this.#file?.path) : Object.assign(error, so))
  }

  #release(): void {
    this.#settled = true
    this.#file?.close()
    unwatch(this.#destination, this.#connection, this)
    this.#writer?.release()
    if (this.#request.signal !== undefined) offAbort(this.#request.signal, this)
    this.#letGo?.()
    if (this.#guarded !== undefined) unguardSocket(this.#guarded)
  }

  #circumstances(): Circumstances {
    const { path } = this.#file ?? { path: undefined }
    return {
      request: this.#request,
      start: this.#start,
      count: this.#count ?? 0,
      path,
      startedAt: this.#startedAt,
      closedBy: this.#closedBy,
    }
  }
}
