/** One call of `sendfile()` to a descriptor: a file, a pipe, a device, or a socket without a net.Socket. */
import { AsyncResource } from 'node:async_hooks'
import fs from 'node:fs'
import { constants } from 'node:os'

import { AdaptiveSize } from '../executor/chunk-size.ts'
import { copyRange } from '../executor/portable.ts'
import type { OpenFile, Range } from '../executor/range.ts'
import { DescriptorDestination, enqueue, type ParsedDescriptor, type FilePosition } from '../destination/descriptor.ts'
import { overlap, systemError, withAccount } from '../errors/sendfile-error.ts'
import { DONE, NOTHING_SENT, type RangeEnd } from '../executor/end.ts'
import * as kernel from '../executor/kernel.ts'
import type { Obstacle } from '../errors/obstacle.ts'
import { KIND, TARGET } from '../native/codes.ts'
import { add } from '../options/validate.ts'
import type { Method, Request } from '../options/sendfile.ts'
import { choose, rejectIfForced } from '../executor/method.ts'
import { debug, switchedOff } from '../options/environment.ts'
import { type Settle, Settlement } from './result.ts'
import { type Abortable, offAbort, onAbort } from '../wait/abort.ts'
import { fileObstacle, rangeOf } from '../source/range.ts'
import { opensSources } from '../file/native-file.ts'
import { NamedSource } from '../source/named.ts'
import type { ParsedSource } from '../source/parse.ts'
import { Stop, STOPPED } from '../wait/stop.ts'

const { EBADF } = constants.errno
const COPY_CHUNK = 64 * 1024
/** The progress interval without `onProgress`: the engine does not report progress. */
const NO_TICKS = 0

export class DescriptorSending implements kernel.Listener, Abortable {
  readonly #parsed: ParsedDescriptor
  readonly #source: NamedSource
  readonly #request: Request
  readonly #settlement: Settlement
  readonly #destination: DescriptorDestination
  readonly #resource = new AsyncResource('SENDFILE64')
  readonly #stop = new Stop()
  #file: OpenFile | undefined
  #engineObstacle: Obstacle | undefined
  #transferId: number | undefined
  /** Starts the next transfer to the same file. */
  #over: (() => void) | undefined

  /** Duplicates both descriptors at once. @throws {SendfileError} ERR_SENDFILE_DESTINATION, EBADF */
  constructor(parsed: ParsedDescriptor, source: ParsedSource, request: Request, settle: Settle) {
    this.#parsed = parsed
    this.#source = new NamedSource(source)
    this.#request = request
    this.#settlement = new Settlement(request, settle)
    try {
      // The source comes first: the duplicate of the destination gets the lowest free number, which may be the number of a
      // source that is closed.
      if (opensSources) this.#hold()
      this.#destination = new DescriptorDestination(parsed.fd)
    } catch (error) {
      this.#source.release()
      this.#settlement.close()
      throw withAccount(error, this.#settlement.account(0))
    }
  }

  /** An aborted transfer reports the position of its source, even before its turn. */
  #hold(): void {
    const position = this.#source.hold(this.#request.offset === null)
    if (position !== undefined) this.#settlement.start = position
  }

  begin(): void {
    const { signal } = this.#request
    if (signal !== undefined) onAbort(signal, this)
    let hasStarted = false
    enqueue(this.#destination.key, () => {
      hasStarted = this.#destination.isIdentified
      return this.#run()
    })
    if (hasStarted || opensSources) return
    try {
      this.#hold()
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Resolves when the next transfer may start. */
  async #run(): Promise<void> {
    if (this.#settlement.isSettled) return
    try {
      if (!this.#destination.isIdentified) await this.#destination.identify()
      if (this.#settlement.isSettled) return
      const opened = this.#source.open(this.#request.count)
      const file = opened instanceof Promise ? await opened : opened
      if (this.#settlement.isSettled) return file.close()
      this.#file = file
      await this.#send(file)
    } catch (error) {
      this.#fail(error)
    }
  }

  async #send(file: OpenFile): Promise<void> {
    const range = rangeOf(file, this.#request)
    const settlement = this.#settlement
    settlement.start = range.offset
    settlement.count = range.count
    settlement.path = file.path
    if (file.identity !== undefined && this.#destination.kind === KIND.regular) settlement.best = 'copy_file_range'
    const destinationPosition = this.#destination.positionIn(file)
    if (destinationPosition !== undefined) rejectOverlap(range, this.#request, await destinationPosition)
    const obstacle = switchedOff ?? fileObstacle(file)
    if (obstacle !== undefined) {
      rejectIfForced(this.#request, obstacle)
      this.#destination.rejectIfKernelOnly(obstacle)
    }
    const { headers, trailers } = this.#request
    if (range.count === 0 && headers.length + trailers.length === 0) {
      return this.#ended({ ...NOTHING_SENT, ...DONE, obstacle })
    }
    if (obstacle !== undefined || file.native === undefined || !this.#destination.isNative) {
      return this.#copy(range, obstacle)
    }
    const { methods, obstacle: engineObstacle } = choose(this.#request.method, file.remote)
    this.#engineObstacle = engineObstacle
    debug('%s to descriptor %d, methods %d', file.path ?? `fd ${file.fd}`, this.#parsed.fd, methods)
    return this.#start(range, file.native.fd, methods)
  }

  #start(range: Range, source: number, methods: number): Promise<void> {
    const { offset, count, ownPosition } = range
    const { onProgress, progressInterval } = this.#request
    const command: kernel.Command = {
      target: TARGET.adopted,
      fd: this.#destination.take(),
      source,
      offset,
      count,
      methods,
      ownPosition,
      progressInterval: onProgress === undefined ? NO_TICKS : progressInterval,
      request: this.#request,
    }
    const started = kernel.start(command, this)
    if (typeof started === 'object') return this.#ended(started)
    this.#transferId = started
    if (this.#stop.stopped) kernel.abort(started, false)
    return new Promise((resolve) => {
      this.#over = resolve
    })
  }

  async #copy(range: Range, obstacle: Obstacle | undefined): Promise<void> {
    const writer = this.#destination.writer()
    writer.progress = (bytesSent) => this.#report(bytesSent, 'copy')
    const size = AdaptiveSize.fixed(COPY_CHUNK)
    return this.#ended(await copyRange(range, this.#request, size, writer, this.#stop, obstacle))
  }

  /* -------------------------------------------------- progress */

  progress(bytesSent: number, method: Method): void {
    this.#resource.runInAsyncScope(() => this.#report(bytesSent, method))
  }

  #report(bytesSent: number, method: Method): void {
    if (!this.#settlement.progress(bytesSent, method)) this.#stopTransfer()
  }

  abort(): void {
    if (this.#file === undefined) void this.#ended({ ...NOTHING_SENT, ...STOPPED })
    else this.#stopTransfer()
  }

  #stopTransfer(): void {
    this.#stop.stop()
    if (this.#transferId !== undefined) kernel.abort(this.#transferId, false)
  }

  completed(end: RangeEnd): void {
    this.#resource.runInAsyncScope(() => void this.#ended(end).then(() => this.#over?.()))
  }

  /* -------------------------------------------------- the end */

  async #ended(end: RangeEnd): Promise<void> {
    const settlement = this.#settlement
    if (end.kind !== 'done' && end.kind !== 'dropped') return this.#fail(settlement.errorOf(end), end.bytesSent)
    this.#release()
    try {
      if (this.#request.end) await this.#close()
    } catch (error) {
      return settlement.reject(error, end.bytesSent)
    }
    settlement.resolve(end, this.#engineObstacle)
  }

  async #close(): Promise<void> {
    const { fd, handle } = this.#parsed
    if (handle !== undefined) return handle.close()
    // The caller may have closed it, and the number may refer to another file by now.
    if (!this.#destination.isOf(fd)) throw systemError(-EBADF, 'close')
    return new Promise((resolve, reject) => {
      fs.close(fd, (error) => (error === null || error === undefined ? resolve() : reject(error)))
    })
  }

  #fail(error: unknown, bytesSent = 0): void {
    if (this.#settlement.isSettled) return
    this.#release()
    this.#settlement.reject(error, bytesSent)
  }

  #release(): void {
    this.#source.release()
    this.#settlement.close(this.#file?.close())
    this.#destination.release()
    if (this.#request.signal !== undefined) offAbort(this.#request.signal, this)
  }
}

/**
 * sendfile(2) within one file would read what it has just written, without an error.
 * @throws {SendfileError} ERR_SENDFILE_OVERLAP
 */
function rejectOverlap(
  range: Range,
  { headers, trailers }: Request,
  destinationPosition: FilePosition | undefined,
): void {
  const { file, offset, count } = range
  if (count === 0 || destinationPosition === undefined) return
  const { position } = destinationPosition
  const readEnd = count === undefined ? Infinity : add(offset, count)
  const written =
    position === undefined || count === undefined
      ? Infinity
      : add(position, add(count, headers.length + trailers.length))
  if (offset < written && (position ?? 0) < readEnd) throw overlap(file.path)
}
