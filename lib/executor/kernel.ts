/** The kernel executor: one call starts a transfer, at most one aborts it, and events report its progress and end. */
import { type Binding, type Environment, native } from '../native/load.ts'
import { type EngineEvent, endOf, type RangeEnd } from './end.ts'
import { COMMAND, EVENT, FALLBACK, METHODS, REPORT } from '../native/codes.ts'
import type { Bytes } from '../options/validate.ts'
import type { Method, Request } from '../options/sendfile.ts'
import { bucketOf, onEveryRateChange } from '../native/rate-bucket.ts'

/** A transfer for the engine. */
export interface Command {
  /** What `fd` is: a value of `TARGET`. */
  readonly target: number
  /** The descriptor of the destination, which is duplicated at once; or one that the addon has duplicated before. */
  readonly fd: number
  /** The descriptor of a file that the addon holds open. */
  readonly source: number
  readonly offset: Bytes
  /** `undefined`: until the source ends. */
  readonly count: Bytes | undefined
  /** A value of `ONLY` or `PREFER`. */
  readonly methods: number
  readonly ownPosition: boolean
  /** The longest time between two progress events while bytes move, in ms; 0 for none. */
  readonly progressInterval: number
  /** The other options. */
  readonly request: Request
}

/** Receives the events of a transfer. */
export interface Listener {
  progress(bytesSent: number, method: Method): void
  completed(end: RangeEnd): void
}

const listeners = new Map<number, Listener>()
const opens = new Map<number, (errno: number) => void>()
let link: Environment | undefined

/** The connection to the engine, created at the first use. */
export function environment(): Environment {
  if (native === undefined) throw new TypeError('the kernel executor needs the addon')
  link ??= connect(native)
  return link
}

function connect({ Environment }: Binding): Environment {
  const connection = new Environment(() => dispatch(takeEvents()))
  onEveryRateChange(() => connection.rateChanged())
  return connection
}

/**
 * Starts a transfer. Returns its id; or its end if it did not have to wait, or could not be started.
 */
export function start(transfer: Command, listener: Listener): RangeEnd | number {
  const { headers, trailers } = transfer.request
  describe(transfer)
  const started = environment().start(command, nullIfEmpty(headers), nullIfEmpty(trailers), figures)
  if (started === 0) return endOf(eventAt(0))
  listeners.set(started, listener)
  return started
}

/** The transfer in numbers. Reading an object takes the addon longer than everything else in a start. */
const command = new Float64Array(COMMAND.length)

function describe({
  target,
  fd,
  source,
  offset,
  count,
  methods,
  ownPosition,
  progressInterval,
  request,
}: Command): void {
  command[COMMAND.target] = target
  command[COMMAND.destination] = fd
  command[COMMAND.source] = source
  describeBytes(COMMAND.offset, COMMAND.offsetRest, offset)
  describeBytes(COMMAND.count, COMMAND.countRest, count ?? -1)
  command[COMMAND.quantum] = request.quantum
  command[COMMAND.methods] = methods
  command[COMMAND.ownPosition] = Number(ownPosition)
  command[COMMAND.progressInterval] = progressInterval
  command[COMMAND.rate] = request.rate
  command[COMMAND.burst] = request.burst
  command[COMMAND.stallTimeout] = request.stallTimeout
  command[COMMAND.acknowledged] = Number(request.until === 'acknowledged')
  command[COMMAND.limiter] = request.limiter === undefined ? 0 : bucketOf(request.limiter).id
  command[COMMAND.minRate] = request.minRate
  command[COMMAND.minRateWindow] = request.minRateWindow
}

/** A double is exact up to 2^53; two of them represent any number of bytes. */
function describeBytes(highIndex: number, lowIndex: number, bytes: Bytes): void {
  const low = typeof bytes === 'number' ? 0 : Number(bytes & 0xffff_ffffn)
  command[highIndex] = typeof bytes === 'number' ? bytes : Number(bytes & ~0xffff_ffffn)
  command[lowIndex] = low
}

/** Passing null is faster than passing an empty Buffer. */
function nullIfEmpty(bytes: Buffer): Buffer | null {
  return bytes.length === 0 ? null : bytes
}

/** The addon writes events here, because it creates objects slowly. Events that do not fit are returned by the next call. */
const figures = new Float64Array(REPORT.room * 64)

const figureAt = (index: number): number => figures[index] ?? 0

/** The event whose figures start at `index`. */
function eventAt(index: number): EngineEvent {
  return {
    id: figureAt(index + REPORT.id),
    kind: figureAt(index + REPORT.kind),
    bytesSent: figureAt(index + REPORT.bytesSent),
    end: figureAt(index + REPORT.end),
    errno: figureAt(index + REPORT.errno),
    method: figureAt(index + REPORT.method),
    call: figureAt(index + REPORT.call),
    syscalls: figureAt(index + REPORT.syscalls),
    wouldBlock: figureAt(index + REPORT.wouldBlock),
    fallbacks: fallbacksAt(index + REPORT.length, figureAt(index + REPORT.fallbacks)),
  }
}

const NONE: EngineEvent['fallbacks'] = []

function fallbacksAt(start: number, count: number): EngineEvent['fallbacks'] {
  if (count === 0) return NONE // nearly every event
  return Array.from({ length: count }, (_, index) => {
    const step = start + index * FALLBACK.length
    return {
      from: figureAt(step + FALLBACK.from),
      to: figureAt(step + FALLBACK.to),
      errno: figureAt(step + FALLBACK.errno),
    }
  })
}

/** Takes all pending events before the first of them is dispatched, because a listener may take more. */
function takeEvents(): EngineEvent[] {
  const events: EngineEvent[] = []
  for (let filled = environment().takeEvents(figures); filled > 0; filled = environment().takeEvents(figures)) {
    for (let index = 0; index < filled;) {
      const event = eventAt(index)
      events.push(event)
      index += REPORT.length + event.fallbacks.length * FALLBACK.length
    }
    if (filled + REPORT.room <= figures.length) break // there was room for more
  }
  return events
}

/**
 * Sends bytes before a transfer that starts in this tick, so that they share its first TCP segment. Returns the number of
 * bytes that the kernel accepted. After a failure this is 0, and the next write reports the error.
 */
export function sendHead(fd: number, head: Uint8Array): number {
  return Math.max(0, environment().sendHead(fd, head))
}

/**
 * Stops a transfer; its listener is informed of the end. If the transfer has already ended, the listener is informed in this
 * turn of the event loop: before 'close' of a stream that is being destroyed, and after its 'error'.
 */
export function abort(id: number, shutdown: boolean): void {
  environment().abort(id, shutdown)
  const events = takeEvents()
  if (events.length > 0) process.nextTick(process.nextTick, dispatch, events)
}

/** Opens a file on a thread that may wait for the disk. Resolves with an id for `takeOpened`, or a negative errno. */
export function open(path: Buffer): Promise<number> {
  return answerTo(environment().open(path))
}

/** Duplicates a descriptor now, and inspects it on a thread that may wait for a server. Resolves like {@link open}. */
export function inspect(fd: number): Promise<number> {
  return answerTo(environment().inspect(fd))
}

function answerTo(id: number): Promise<number> {
  return new Promise((resolve) => {
    if (id < 0) resolve(id)
    else opens.set(id, (errno) => resolve(errno === 0 ? id : -errno))
  })
}

/** Dispatches all events of one turn of the event loop. An exception of one listener does not affect the others. */
function dispatch(events: readonly EngineEvent[]): void {
  for (const event of events) {
    try {
      deliver(event)
    } catch (error) {
      queueMicrotask(() => {
        throw error
      })
    }
  }
}

function deliver(event: EngineEvent): void {
  if (event.kind === EVENT.progress) {
    listeners.get(event.id)?.progress(event.bytesSent, METHODS[event.method] ?? 'copy')
  } else if (event.kind === EVENT.completed) {
    const listener = listeners.get(event.id)
    listeners.delete(event.id)
    listener?.completed(endOf(event))
  } else {
    const opened = opens.get(event.id)
    opens.delete(event.id)
    opened?.(event.errno)
  }
}
