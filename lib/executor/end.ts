/** The end of a range, for both executors. */
import { type Obstacle, refusal, type Shortage, shortageOf } from '../errors/obstacle.ts'
import { CALLS, END, METHODS } from '../native/codes.ts'
import type { Method } from '../options/sendfile.ts'
import { STALLED, STOPPED, type Stopped } from '../wait/stop.ts'

/** A method that could not be used, and the one that replaced it. */
export interface Fallback {
  /** The better method that could not be used. */
  from: Method
  /** The method that continued at the current offset. */
  to: Method
  /** The errno name of the kernel's refusal, or TLS, HTTP2, WRAPPED, FILESYSTEM, FOREIGN, PLATFORM, SMALL. */
  code: string
  /** The reason as a sentence; it may be reworded in any release. */
  reason: string
}

/** The statistics of a range at its end. */
export interface Figures {
  readonly bytesSent: number
  readonly syscalls: number
  readonly wouldBlock: number
  /** The method that was used last; `undefined` if nothing was moved. */
  readonly method: Method | undefined
  /** The methods that the kernel refused. */
  readonly refusals: readonly Fallback[]
  /** The reason why JavaScript moved the bytes; `undefined` if it did not. */
  readonly obstacle: Obstacle | undefined
}

/** The way in which a range ended. */
export type Ending =
  | Stopped
  | { readonly kind: 'done' }
  /** The file ended before the range. */
  | { readonly kind: 'truncated' }
  /** The kernel refused every method that may be used. `errno` is positive, here and below. */
  | { readonly kind: 'refused'; readonly errno: number; readonly call: string }
  /** The method is forced, and only JavaScript could move the bytes. */
  | { readonly kind: 'unreachable'; readonly reason: string }
  /** A system call has failed. */
  | { readonly kind: 'failed'; readonly errno: number; readonly call: string }
  /** The process lacks a descriptor or a thread that the engine needs. */
  | { readonly kind: 'lacking'; readonly shortage: Shortage; readonly call: string }
  /** The file or the destination threw an error in the portable executor. */
  | { readonly kind: 'threw'; readonly by: 'source' | 'destination'; readonly error: unknown }

export type RangeEnd = Figures & Ending

/** The figures of a range that was never started. */
export const NOTHING_SENT: Figures = {
  bytesSent: 0,
  syscalls: 0,
  wouldBlock: 0,
  method: undefined,
  refusals: [],
  obstacle: undefined,
}

export const DONE = { kind: 'done' } as const satisfies Ending
export const TRUNCATED = { kind: 'truncated' } as const satisfies Ending

/** An event of the engine. */
export interface EngineEvent {
  readonly id: number
  /** A value of `EVENT`. */
  readonly kind: number
  readonly bytesSent: number
  /** A value of `END`. */
  readonly end: number
  /** The errno that caused `end`, or that of open(2): positive; 0 if there is none. */
  readonly errno: number
  /** An index of `METHODS`. */
  readonly method: number
  /** The system call that returned `errno`: an index of `CALLS`. */
  readonly call: number
  readonly syscalls: number
  readonly wouldBlock: number
  /** The methods that the kernel refused, and those that replaced them. */
  readonly fallbacks: readonly { readonly from: number; readonly to: number; readonly errno: number }[]
}

/** The end of a transfer from its event. */
export function endOf(event: EngineEvent): RangeEnd {
  const { bytesSent, syscalls, wouldBlock, fallbacks } = event
  const method = METHODS[event.method] ?? 'copy'
  const refusals = fallbacks.length === 0 ? NOTHING_SENT.refusals : fallbacks.map(refusalOf)
  // The most frequent end, created without a spread.
  if (event.end === END.done) {
    return { bytesSent, syscalls, wouldBlock, method, refusals, obstacle: undefined, kind: 'done' }
  }
  const ending = endingOf(event.end, event.errno, CALLS[event.call] ?? 'sendfile', method)
  return { bytesSent, syscalls, wouldBlock, method, refusals, obstacle: undefined, ...ending }
}

function endingOf(end: number, errno: number, call: string, method: Method): Ending {
  switch (end) {
    case END.truncated:
      return TRUNCATED
    case END.stalled:
      return STALLED
    case END.aborted:
      return STOPPED
    case END.refused:
      return { kind: 'refused', errno, call: refuser(call, method) }
    case END.lacking: {
      const shortage = shortageOf(errno)
      return shortage === undefined ? { kind: 'failed', errno, call } : { kind: 'lacking', shortage, call }
    }
    default:
      return { kind: 'failed', errno, call }
  }
}

/** The call that was refused: that of the method, or the one that confirms the acknowledgement. */
function refuser(call: string, method: Method): string {
  if (call === 'getsockopt') return call
  if (method !== 'copy') return method
  return call === 'read' ? call : 'write'
}

function refusalOf(step: EngineEvent['fallbacks'][number]): Fallback {
  const from = METHODS[step.from] ?? 'copy'
  const { code, reason } = refusal(from, step.errno)
  return { from, to: METHODS[step.to] ?? 'copy', code, reason }
}
