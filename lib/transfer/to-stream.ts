/** One call of `sendfile()` to a stream: opens the source, chooses the executor, sends the range and settles the promise. */
import http from 'node:http'
import type net from 'node:net'

import { AdaptiveSize } from '../executor/chunk-size.ts'
import { ChunkWriter } from '../destination/writable.ts'
import { copyRange } from '../executor/portable.ts'
import type { OpenFile, Range } from '../executor/range.ts'
import { closedState, connectionOf, fixHeaders, routeTo, serverSocket, wrapperObstacle } from '../destination/stream.ts'
import { badDestination } from '../errors/sendfile-error.ts'
import { OBSTACLE, type Obstacle } from '../errors/obstacle.ts'
import { DONE, NOTHING_SENT, type RangeEnd } from '../executor/end.ts'
import { Framing } from './framing.ts'
import { callOriginal, type Destination, inOrder, bypassHold } from '../hooks/hold.ts'
import { writeAsOwn } from '../node/unpatched.ts'
import { add, type Bytes } from '../options/validate.ts'
import type { Method, Request } from '../options/sendfile.ts'
import { choose, rejectIfForced } from '../executor/method.ts'
import { debug } from '../options/environment.ts'
import { type MarkerRoute, Placement } from '../ordering/placement.ts'
import { FileSegment, type SegmentOwner } from '../ordering/segment.ts'
import { type Abortable, offAbort, onAbort } from '../wait/abort.ts'
import { type Settle, Settlement } from './result.ts'
import { fileObstacle, rangeOf } from '../source/range.ts'
import { NamedSource } from '../source/named.ts'
import type { ParsedSource } from '../source/parse.ts'
import { type StallWatch, watchStall } from '../wait/stall.ts'
import { STALLED, STOPPED, type Stopped } from '../wait/stop.ts'
import { unwatch, watch, type Watcher } from '../wait/closed.ts'

/** The chunk size of the portable executor, in bytes: the one of stock streams. */
const COPY_CHUNK = 64 * 1024
/**
 * No other code sees the chunks to a TLS socket, and fewer chunks take less time. They grow while the peer keeps up; a slow
 * peer does not need large chunks in memory.
 */
const tlsChunks = (): AdaptiveSize => new AdaptiveSize(256 * 1024, 1 << 20, 50)

/** One call of `sendfile()`. */
export class Sending implements SegmentOwner, Watcher, Abortable {
  readonly #destination: Destination
  readonly #listen: Destination['on']
  readonly #source: NamedSource
  readonly #request: Request
  readonly #settlement: Settlement
  /** Ends the hold while the file is still being opened. */
  #endHold: (() => void) | undefined
  #stallWatch: StallWatch | undefined
  /** The connection of a response that waits for earlier responses. */
  readonly #connection: net.Socket | undefined
  #file: OpenFile | undefined
  #segment: FileSegment | undefined
  #placement: Placement | undefined
  /** Why the engine must not use its best method. */
  #engineObstacle: Obstacle | undefined
  /** The writer of the portable executor. */
  #writer: ChunkWriter | undefined
  readonly #framing: Framing

  constructor(destination: Destination, source: ParsedSource, request: Request, settle: Settle) {
    this.#destination = destination
    this.#listen = destination.on
    this.#source = new NamedSource(source)
    this.#request = request
    this.#settlement = new Settlement(request, settle)
    this.#framing = new Framing(destination)
    const isQueued = destination instanceof http.ServerResponse && destination.socket === null
    this.#connection = isQueued ? serverSocket(destination) : undefined
  }

  begin(): void {
    const { offset, signal, stallTimeout } = this.#request
    if (signal !== undefined) onAbort(signal, this)
    watch(this.#destination, this, { errors: true })
    if (this.#connection !== undefined) watch(this.#connection, this, { errors: false })
    let hasStarted = false
    inOrder(this.#destination, () => {
      hasStarted = true
      this.#stallWatch?.stop()
      return this.#open()
    })
    if (hasStarted) return
    try {
      const position = this.#source.hold(offset === null)
      if (position !== undefined) this.#settlement.start = position
    } catch (error) {
      return this.#fail(error)
    }
    // The transfer that it waits for may stall, and may have no timeout.
    const connection = this.#connection ?? connectionOf(this.#destination)
    this.#stallWatch = watchStall(connection, stallTimeout, () => this.#stopTransfer(STALLED))
  }

  /* -------------------------------------------------- start */

  #open(): void | Promise<void> {
    if (this.#settlement.isSettled) return
    let opened: OpenFile | Promise<OpenFile>
    try {
      const state = closedState(this.#destination)
      if (state !== undefined) throw badDestination(`The destination was ${state} before the transfer started`)
      opened = this.#source.open(this.#request.count)
    } catch (error) {
      return this.#fail(error)
    }
    if (!(opened instanceof Promise)) return this.#send(opened)
    const pending = opened
    return new Promise((release) => {
      this.#endHold = release // an aborted transfer must not hold the destination until the disk answers
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
    if (obstacle !== undefined) rejectIfForced(this.#request, obstacle)
    const length = count === undefined ? undefined : this.#lengthWith(count)
    if (length !== undefined) this.#framing.announce(length, this.#request.end)
    if (length === 0) return void this.ended({ ...NOTHING_SENT, ...DONE, obstacle })
    fixHeaders(this.#destination)
    if (this.#settlement.isSettled) return // a listener of the headers may have ended the transfer
    const { native: source } = file
    if (route.by === 'copy' || source === undefined || count === undefined || length === undefined) {
      return this.#copy(range, obstacle ?? OBSTACLE.unsized)
    }
    const wrapper = route.by === 'message' ? wrapperObstacle(route.message, length) : undefined
    if (wrapper !== undefined) {
      rejectIfForced(this.#request, wrapper)
      return this.#copy(range, wrapper)
    }
    if (this.#settlement.isSettled) return
    const { methods, obstacle: engineObstacle } = choose(this.#request.method, file.remote)
    this.#engineObstacle = engineObstacle
    if (debug.enabled) {
      const reason = engineObstacle?.reason ?? 'no obstacle'
      debug('%s by marker, methods %d, %s', file.path ?? `fd ${file.fd}`, methods, reason)
    }
    const kernelRange = { ...range, count, source }
    const framed = route.by === 'message'
    return this.#sendMarker(route, new FileSegment(kernelRange, methods, framed, this, this.#request))
  }

  /** The total number of bytes for the destination. */
  #lengthWith(count: Bytes): Bytes {
    const { headers, trailers } = this.#request
    return add(count, headers.length + trailers.length)
  }

  async #copy(range: Range, obstacle: Obstacle): Promise<void> {
    if (debug.enabled) debug('%s is copied: %s', range.file.path ?? `fd ${range.file.fd}`, obstacle.reason)
    const writer = new ChunkWriter(this.#destination, this.#listen, (sent) => this.progress(sent, 'copy'))
    this.#writer = writer
    const size = obstacle.code === 'TLS' ? tlsChunks() : AdaptiveSize.fixed(COPY_CHUNK)
    const bounded = range.count === undefined ? this.#framing.bound(range, this.#request) : range
    const copied = await copyRange(bounded, this.#request, size, writer, writer.stop, obstacle)
    // A source of unknown size cannot be too short.
    const end = bounded !== range && copied.kind === 'truncated' ? { ...copied, ...DONE } : copied
    if (this.ended(end) !== undefined && !writer.refused) this.#framing.breakOff()
  }

  #sendMarker(route: MarkerRoute, segment: FileSegment): void {
    this.#segment = segment
    this.#placement = new Placement(route, segment, this.#request.stallTimeout)
    const target = route.by === 'socket' ? route.socket : route.message
    // Bypasses the hold of this transfer, and wrappers that do not change the body.
    this.#placement.put((chunk, written) => {
      bypassHold(this.#destination, () => writeAsOwn(target, chunk, written))
    })
  }

  /* -------------------------------------------------- progress */

  started(offset: Bytes): void {
    this.#placement?.release()
    this.#settlement.start = offset
  }

  progress(bytesSent: number, method: Method): void {
    if (!this.#settlement.progress(bytesSent, method)) this.#stopTransfer(STOPPED)
  }

  closed(error: unknown): void {
    if (!this.#settlement.isSettled) this.#stopTransfer({ kind: 'destroyed', error })
  }

  abort(): void {
    this.#stopTransfer(STOPPED)
  }

  /** A segment whose turn has come is informed by its socket, or at the latest when that has closed. */
  #stopTransfer(why: Stopped): void {
    if (this.#segment !== undefined) {
      if (why.kind === 'stopped' || this.#segment.isWaiting) this.#segment.cancel(why)
      else if (connectionOf(this.#destination)?.closed === true) this.#segment.closed()
    } else if (this.#writer !== undefined) this.#writer.stop.stop(why)
    else this.ended({ ...NOTHING_SENT, ...why })
  }

  /* -------------------------------------------------- the end */

  ended(end: RangeEnd): Error | undefined {
    const settlement = this.#settlement
    if (settlement.isSettled) return undefined
    if (end.kind !== 'done' && end.kind !== 'dropped') {
      const error = settlement.errorOf(end)
      this.#fail(error, end.bytesSent, this.#segment !== undefined && end.kind !== 'rejected')
      return error instanceof Error ? error : badDestination('onProgress threw an exception')
    }
    const sent = end.kind === 'dropped' ? { ...end, bytesSent: 0 } : end
    try {
      if (this.#request.end && end.kind === 'done' && this.#segment !== undefined) this.#framing.taken()
      if (this.#request.end) callOriginal(this.#destination, 'end')
      if (this.#framing.failure !== undefined) throw this.#framing.failure
    } catch (error) {
      this.#fail(error, sent.bytesSent)
      return error instanceof Error ? error : undefined
    }
    this.#release()
    settlement.resolve(sent, this.#engineObstacle)
    return undefined
  }

  #fail(error: unknown, bytesSent = 0, isBroken = false): void {
    if (this.#settlement.isSettled) return
    this.#release()
    this.#framing.takeBack(isBroken)
    this.#settlement.reject(error, bytesSent)
  }

  #release(): void {
    this.#source.release()
    this.#settlement.close(this.#file?.close())
    unwatch(this.#destination, this)
    if (this.#connection !== undefined) unwatch(this.#connection, this)
    this.#writer?.release()
    this.#stallWatch?.stop()
    this.#placement?.release()
    if (this.#request.signal !== undefined) offAbort(this.#request.signal, this)
    this.#endHold?.()
  }
}
