/** createReadStream and ReadStream: an fs.ReadStream that is piped by the kernel where possible. */
import { EventEmitter } from 'node:events'
import type fs from 'node:fs'
import http from 'node:http'

import { Abandonment } from './stream/abandoned.ts'
import { AnnouncedLength } from './node/announced-length.ts'
import { isNode, native } from './native/load.ts'
import { CachedFile, type Opening } from './source/cached.ts'
import { isDestination } from './destination/stream.ts'
import { isTraced, type TransferContext, TransferTrace } from './trace/channels.ts'
import type { Destination } from './hooks/hold.ts'
import { KEY, markersWork, PROTOCOL } from './node/marker.ts'
import {
  derive,
  destroyAsStock,
  type DestroyCallback,
  type FileStream,
  isPipedTo,
  readAsStock,
  Stock,
  createStock,
  stockConstructor,
  type StockReadStream,
} from './node/readable.ts'
import { define } from './node/handle.ts'
import { debug, switchedOff } from './options/environment.ts'
import { Piping } from './stream/piping.ts'
import { DEFAULTS, opensPath, parseSettings, takeOptions, type TransferOptions, withFs } from './options/read-stream.ts'
import type { LiveTransfer, StreamTransfer } from './stream/stats.ts'

/** The options of {@link createReadStream}: those of `fs.createReadStream` and {@link TransferOptions}. */
export type ReadStreamOptions = Exclude<Parameters<typeof fs.createReadStream>[1], string | undefined> & TransferOptions

/** An `fs.ReadStream` with the statistics of its transfer. */
export interface ReadStream extends fs.ReadStream {
  /**
   * The transfer to the destination of the last `pipe()`; `undefined` before, and if streams are stock. It is the argument
   * of the event 'transfer', which is emitted when the transfer has ended.
   */
  readonly transfer: StreamTransfer | undefined
}

/** Supports `new ReadStream(…)`, `ReadStream(…)`, `ReadStream.call(object, …)` and subclasses, like `fs.ReadStream`. */
export interface ReadStreamConstructor {
  /** The prototype of every stream. */
  readonly prototype: ReadStream
  /** Creates a stream. Throws what `fs.createReadStream` throws. */
  new (path: fs.PathLike, options?: BufferEncoding | ReadStreamOptions): ReadStream
  /** The same without `new`. Initializes `this` if it already is a file stream, for classes that derive by a call. */
  (path: fs.PathLike, options?: BufferEncoding | ReadStreamOptions): ReadStream
}

// A stream's own symbols: a WeakMap of thousands of short-lived streams costs the server a fifth of its time.
const OPENING = Symbol('sendfile64.opening')
const PIPING = Symbol('sendfile64.piping')
const ABANDONMENT = Symbol('sendfile64.abandonment')

interface OwnStream extends FileStream {
  [OPENING]?: Opening
  [PIPING]?: Piping
  [ABANDONMENT]?: Abandonment
}

/** The options of a stream that was not created by this package. */
const UNKNOWN: Opening = { settings: DEFAULTS, file: undefined }

/** The reason why streams are stock in this process; `undefined` if they are not. */
export const stockReason: string | undefined = findReason()

function findReason(): string | undefined {
  if (switchedOff !== undefined) return switchedOff.reason
  if (!isNode) return 'this runtime is not Node.js'
  if (native === undefined) return 'the addon is not loaded; call support() for the reason'
  if (!markersWork()) return 'this version of Node.js is not supported yet: it does not read chunk.length as a property'
  return Stock === undefined ? 'fs.ReadStream has been replaced by a class' : undefined
}

/** An `fs.ReadStream`. When it is piped, the kernel moves the bytes to the destination if it can. */
export const ReadStream: ReadStreamConstructor = chooseConstructor()

function chooseConstructor(): ReadStreamConstructor {
  // Another copy of the package may have registered its class.
  if (stockReason !== undefined || Stock === undefined || Object.hasOwn(Stock, KEY)) return stockConstructor()
  return derive(construct(Stock), Stock, membersOver(Stock))
}

/** Like `fs.ReadStream`: a function that initializes `this`, or creates an object if it is called without one. */
function construct(stock: StockReadStream): Function {
  function ReadStream(this: unknown, path: unknown, options?: unknown): unknown {
    if (!(this instanceof stock)) return Reflect.construct(ReadStream, [path, options])
    const ownOptions = takeOptions(options)
    const settings = parseSettings(ownOptions) ?? DEFAULTS
    const file = opensPath(ownOptions) ? new CachedFile(this) : undefined
    Reflect.apply(stock, this, [path, file === undefined ? ownOptions : withFs(ownOptions, file)])
    define(this, OPENING, { settings, file } satisfies Opening)
    return undefined
  }
  // Streams that were created before, or with the stock class, are file streams as well.
  Object.defineProperty(ReadStream, Symbol.hasInstance, {
    value(this: unknown, value: unknown) {
      if (this === ReadStream) return value instanceof stock
      return Reflect.apply(Function.prototype[Symbol.hasInstance], this, [value])
    },
  })
  Object.defineProperty(ReadStream, KEY, { value: PROTOCOL })
  return ReadStream
}

function membersOver({ prototype: stock }: StockReadStream): object {
  const members: object & ThisType<OwnStream> = {
    pipe(destination: NodeJS.WritableStream, options?: { end?: boolean }): NodeJS.WritableStream {
      return pipe(this, destination, () => void Reflect.apply(stock.pipe, this, [destination, options]))
    },
    unpipe(destination?: NodeJS.WritableStream): OwnStream {
      Reflect.apply(stock.unpipe, this, [destination])
      this[PIPING]?.unpiped()
      this[ABANDONMENT]?.unpiped()
      return this
    },
    _read(size: number): void {
      const piping = this[PIPING]
      if (piping === undefined) readAsStock(this, size)
      else piping.read(size)
    },
    _destroy(error: Error | null, callback: DestroyCallback): void {
      this[PIPING]?.finish(error)
      this[ABANDONMENT]?.release()
      destroyAsStock(this, error, callback)
    },
    get transfer(): StreamTransfer | undefined {
      return this[PIPING]?.transfer
    },
    set transfer(value: unknown) {
      Object.defineProperty(this, 'transfer', { configurable: true, enumerable: true, writable: true, value })
    },
  }
  return members
}

/** The pipe is Node's own; the piping answers the reads that it causes. */
function pipe(source: OwnStream, destination: NodeJS.WritableStream, asStock: () => void): NodeJS.WritableStream {
  if (destination instanceof http.OutgoingMessage) AnnouncedLength.of(destination)
  watchDestination(source, destination)
  // With a second destination, or one that is not writable, the first piping remains in use.
  if (isPipedTo(source) || !isDestination(destination)) {
    asStock()
    return destination
  }
  const traced = isTraced()
  let trace: TransferTrace | undefined
  const piping = new Piping(source, destination, source[OPENING] ?? UNKNOWN, (transfer, error) =>
    finish(source, transfer, error, trace),
  )
  define(source, PIPING, piping)
  const begin = (): void => {
    asStock()
    piping.begin(source.rawListeners('data').at(-1))
  }
  if (traced) trace = new TransferTrace(contextOf(source, destination), begin)
  else begin()
  return destination
}

/** Closes the file with its only destination; a second destination may still need it. */
function watchDestination(source: OwnStream, destination: unknown): void {
  source[ABANDONMENT]?.release()
  const { closeWithDestination } = (source[OPENING] ?? UNKNOWN).settings
  if (!closeWithDestination || isPipedTo(source) || !(destination instanceof EventEmitter)) return
  define(source, ABANDONMENT, new Abandonment(source, destination))
}

function contextOf(source: FileStream, destination: Destination): TransferContext {
  const { path, fd, pos, end, bytesRead } = source
  const count = Number.isFinite(end) ? end - (pos ?? bytesRead) + 1 : undefined
  return { api: 'pipe', source: { path, fd: fd ?? undefined, offset: pos ?? bytesRead, count }, destination }
}

function finish(source: FileStream, transfer: LiveTransfer, error: unknown, trace: TransferTrace | undefined): void {
  const { method, bytesSent } = transfer
  if (debug.enabled) debug('a stream of %s has sent %d bytes by %s', source.path ?? source.fd, bytesSent, method)
  trace?.finish(transfer, error)
  if (source.listenerCount('transfer') > 0) process.nextTick(() => source.emit('transfer', transfer))
}

/**
 * Like `fs.createReadStream`. When the stream is piped, the kernel moves the bytes to the destination if it can; everything
 * else behaves like a stream of Node. Do not change the file until the peer has received it: the kernel sends pages, not
 * copies (sendfile(2), NOTES).
 *
 * @example
 * createReadStream('video.mp4').pipe(res)
 * await pipeline(createReadStream('video.mp4', { start: 1024, rate: 2 ** 20 }), socket)
 *
 * @throws what fs.createReadStream throws, and ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE or ERR_OUT_OF_RANGE for
 * {@link TransferOptions}
 */
export function createReadStream(path: fs.PathLike, options?: BufferEncoding | ReadStreamOptions): ReadStream {
  return stockReason === undefined ? new ReadStream(path, options) : createStock(path, options)
}
