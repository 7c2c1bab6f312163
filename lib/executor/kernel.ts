/** The kernel executor as JavaScript sees it: one call to start a transfer, at most one to abort it, events back. */
import { type Binding, type Environment, native } from '../native/load.ts'
import { type EngineEvent, endOf, type RangeEnd } from './end.ts'
import { COMMAND, EVENT, FALLBACK, METHODS, REPORT } from '../native/codes.ts'
import type { Bytes } from '../options/validate.ts'
import type { Method, Request } from '../options/sendfile.ts'
import { bucketOf, onEveryRateChange } from '../native/rate-bucket.ts'

/** What the engine is asked to do. */
export interface Command {
  /** What `fd` is: a value of `TARGET`. */
  readonly target: number
  /** The destination's number, valid in this tick: it is duplicated at once. Or what has been adopted. */
  readonly fd: number
  /** The number of a file that the addon holds open. */
  readonly source: number
  readonly offset: Bytes
  /** `undefined`: until the source ends. */
  readonly count: Bytes | undefined
  /** A value of `ONLY` or `PREFER`. */
  readonly methods: number
  readonly ownPosition: boolean
  /** The longest time between two progress events while bytes move, in ms; 0 for none. */
  readonly progressInterval: number
  /** What else was asked for. */
  readonly request: Request
}

/** Who hears of a transfer. */
export interface Listener {
  progress(bytesSent: number, method: Method): void
  completed(end: RangeEnd): void
}

const listeners = new Map<number, Listener>()
const opens = new Map<number, (errno: number) => void>()
let link: Environment | undefined

/** Our connection to the engine; made with the first use. */
export function environment(): Environment {
  if (native === undefined) throw new TypeError('the kernel executor needs the addon')
  link ??= connect(native)
  return link
}

function connect({ Environment }: Binding): Environment {
  const made = new Environment(() => dispatch(taken()))
  onEveryRateChange(() => made.rateChanged())
  return made
}

/**
 * Starts a transfer. Returns its id, or how it ended where it needed no waiting or could not be started.
 */
export function start(asked: Command, listener: Listener): RangeEnd | number {
  const { headers, trailers } = asked.request
  describe(asked)
  const started = environment().start(command, given(headers), given(trailers), figures)
  if (started === 0) return endOf(eventAt(0))
  listeners.set(started, listener)
  return started
}

/** What a transfer is to do, for the addon: reading an object there costs more than the rest of a start. */
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

/** A double is exact up to 2^53; two of them hold any byte figure. */
function describeBytes(place: number, restPlace: number, bytes: Bytes): void {
  const rest = typeof bytes === 'number' ? 0 : Number(bytes & 0xffff_ffffn)
  command[place] = typeof bytes === 'number' ? bytes : Number(bytes & ~0xffff_ffffn)
  command[restPlace] = rest
}

/** To pass an empty array costs more than to pass none. */
function given(bytes: Buffer): Buffer | null {
  return bytes.length === 0 ? null : bytes
}

/** Where the addon puts events: to make objects there costs more. What does not fit comes with the next call. */
const figures = new Float64Array(REPORT.room * 64)

const figureAt = (place: number): number => figures[place] ?? 0

/** The event whose figures begin at a place. */
function eventAt(place: number): EngineEvent {
  return {
    id: figureAt(place + REPORT.id),
    kind: figureAt(place + REPORT.kind),
    bytesSent: figureAt(place + REPORT.bytesSent),
    end: figureAt(place + REPORT.end),
    errno: figureAt(place + REPORT.errno),
    method: figureAt(place + REPORT.method),
    call: figureAt(place + REPORT.call),
    syscalls: figureAt(place + REPORT.syscalls),
    wouldBlock: figureAt(place + REPORT.wouldBlock),
    fallbacks: fallbacksAt(place + REPORT.length, figureAt(place + REPORT.fallbacks)),
  }
}

const NONE: EngineEvent['fallbacks'] = []

function fallbacksAt(place: number, count: number): EngineEvent['fallbacks'] {
  if (count === 0) return NONE // as of nearly every event
  return Array.from({ length: count }, (_, index) => {
    const step = place + index * FALLBACK.length
    return {
      from: figureAt(step + FALLBACK.from),
      to: figureAt(step + FALLBACK.to),
      errno: figureAt(step + FALLBACK.errno),
    }
  })
}

/** Everything that has happened and has not been taken yet, before any listener of it can ask for more. */
function taken(): EngineEvent[] {
  const events: EngineEvent[] = []
  for (let filled = environment().takeEvents(figures); filled > 0; filled = environment().takeEvents(figures)) {
    for (let place = 0; place < filled;) {
      const event = eventAt(place)
      events.push(event)
      place += REPORT.length + event.fallbacks.length * FALLBACK.length
    }
    if (filled + REPORT.room <= figures.length) break // there was room for more
  }
  return events
}

/**
 * Sends bytes that a transfer will follow in this tick, so that they share its first TCP segment. Returns how many the
 * kernel took; a failure is 0, and for the next writer to meet.
 */
export function sendHead(fd: number, head: Uint8Array): number {
  return Math.max(0, environment().sendHead(fd, head))
}

/**
 * Ends a transfer where it is; its listener hears of the completion. If that has happened before, and only JavaScript has
 * not heard of it, it is heard of in this turn of the event loop: before the 'close' of what is being destroyed, and after
 * its 'error', which whoever waits for the completion listens to.
 */
export function abort(id: number, shutdown: boolean): void {
  environment().abort(id, shutdown)
  const events = taken()
  if (events.length > 0) process.nextTick(process.nextTick, dispatch, events)
}

/** Opens a file on a thread that may wait for the disk. Resolves with what to take it by, or a negative errno. */
export function open(path: Buffer): Promise<number> {
  return answerTo(environment().open(path))
}

/** Duplicates a descriptor now, and has a thread that may wait for a server ask what it is. Resolves as {@link open}. */
export function inspect(fd: number): Promise<number> {
  return answerTo(environment().inspect(fd))
}

function answerTo(id: number): Promise<number> {
  return new Promise((resolve) => {
    if (id < 0) resolve(id)
    else opens.set(id, (errno) => resolve(errno === 0 ? id : -errno))
  })
}

/** Everything of one turn of the event loop. An exception of one listener must not cost the others their events. */
function dispatch(events: readonly EngineEvent[]): void {
  for (const event of events) {
    try {
      tell(event)
    } catch (error) {
      queueMicrotask(() => {
        throw error
      })
    }
  }
}

function tell(event: EngineEvent): void {
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
