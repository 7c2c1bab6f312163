/** The kernel executor as JavaScript sees it: one call to start a transfer, at most one to abort it, events back. */
import { EVENT, type EngineEvent, type Environment, type Extras, native } from './binding.ts'
import type { Bytes } from './option-values.ts'
import type { Request } from './options.ts'

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
  /** A choice of lib/binding.ts. */
  readonly methods: number
  readonly ownPosition: boolean
  /** The longest time between two progress events while bytes move, in ms; 0 for none. */
  readonly progressMs: number
  /** What else was asked for. */
  readonly request: Request
}

/** Who hears of a transfer. */
export interface Listener {
  /** `method`: an index of `METHODS`. */
  progress(bytesSent: number, method: number): void
  completed(event: EngineEvent): void
}

const listeners = new Map<number, Listener>()
const opens = new Map<number, (errno: number) => void>()
let link: Environment | undefined

/** Our connection to the engine; made with the first use. */
export function environment(): Environment {
  if (native === undefined) throw new TypeError('the kernel executor needs the addon')
  link ??= new native.Environment(dispatch)
  return link
}

/**
 * Starts a transfer. Returns the event of its completion where it needed no waiting, else its id; a number below 0 is
 * the negative errno of a transfer that could not be started.
 */
export function start(command: Command, listener: Listener): EngineEvent | number {
  const { target, fd, source, offset, count = null, methods, ownPosition, progressMs, request } = command
  const { quantum } = request
  const started = environment().start(
    target,
    fd,
    source,
    offset,
    count,
    quantum,
    methods,
    ownPosition,
    progressMs,
    extrasOf(request),
    report,
  )
  if (started === 0) return reported()
  if (typeof started === 'number' && started > 0) listeners.set(started, listener)
  return started
}

/** What few transfers ask for; nothing for all others, who need not pay for it. */
function extrasOf(request: Request): Extras | null {
  const { headers, trailers, rate, burst, stallTimeout, until } = request
  const acknowledged = until === 'acknowledged'
  if (headers.length + trailers.length + rate + stallTimeout === 0 && !acknowledged) return null
  return { headers, trailers, rate, burst, stallTimeout, acknowledged }
}

/** Where the engine puts the figures of a transfer that needed no waiting. */
const report = new Float64Array(7)

function reported(): EngineEvent {
  const [bytesSent = 0, end = 0, errno = 0, method = 0, call = 0, syscalls = 0, wouldBlock = 0] = report
  return { id: 0, kind: EVENT.completed, bytesSent, end, errno, method, call, syscalls, wouldBlock, fallbacks: [] }
}

/**
 * Sends bytes that a transfer will follow in this tick, so that they share its first TCP segment. Returns how many the
 * kernel took; a failure is 0, and for the next writer to meet.
 */
export function sendHead(fd: number, head: Uint8Array): number {
  return Math.max(0, environment().sendHead(fd, head))
}

/** Ends a transfer where it is; its listener hears of the completion. */
export function abort(id: number, shutdown: boolean): void {
  environment().abort(id, shutdown)
}

/** Opens a file on a thread that may wait for the disk. Resolves with what to take it by, or a negative errno. */
export function open(path: Buffer): Promise<number> {
  return new Promise((resolve) => {
    const id = environment().open(path)
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
    listeners.get(event.id)?.progress(event.bytesSent, event.method)
  } else if (event.kind === EVENT.completed) {
    const listener = listeners.get(event.id)
    listeners.delete(event.id)
    listener?.completed(event)
  } else {
    const opened = opens.get(event.id)
    opens.delete(event.id)
    opened?.(event.errno)
  }
}
