/** The channels of node:diagnostics_channel. */
import { type TracingChannel, tracingChannel } from 'node:diagnostics_channel'

import { isRecord } from '../options/validate.ts'
import type { Method } from '../options/sendfile.ts'
import type { Fallback } from '../executor/end.ts'

/** The context that subscribers of `tracing:sendfile64.transfer:*` receive: one object per transfer. */
export interface TransferContext {
  /** The source as it was passed, a path or a descriptor, and the range; `count` is undefined up to the end of the file. */
  readonly source: {
    readonly path?: string | Buffer | undefined
    readonly fd?: number | undefined
    readonly offset: number | bigint | null
    readonly count: number | bigint | undefined
  }
  /** The destination as it was passed: a socket, an http message, any Writable, a FileHandle or a number. */
  readonly destination: unknown
  /** The API that was called: `sendfile()`, or `pipe()` of a stream. */
  readonly api: 'sendfile' | 'pipe'
  /** Statistics of the transfer, from 'asyncStart' on. After a failed `sendfile()` there are none. */
  result?: TransferFigures
  /** The error of a failed transfer, from 'error' on. */
  error?: unknown
}

/** Statistics of a completed transfer. */
export interface TransferFigures {
  /** The method that was used last. */
  readonly method: Method
  /** Number of bytes that the destination has accepted. */
  readonly bytesSent: number | bigint
  /** The reasons why a better method was not used, in order. */
  readonly fallbacks: readonly Fallback[]
}

const channels: TracingChannel<unknown, TransferContext> = tracingChannel('sendfile64.transfer')

/** Whether there are subscribers. `tracingChannel.hasSubscribers` does not exist in every supported runtime. */
export function isTraced(): boolean {
  const { start, end, asyncStart, asyncEnd, error } = channels
  return (
    start.hasSubscribers ||
    end.hasSubscribers ||
    asyncStart.hasSubscribers ||
    asyncEnd.hasSubscribers ||
    error.hasSubscribers
  )
}

/** The context for the arguments of `sendfile()`, which may be invalid. */
export function contextOfCall(destination: unknown, source: unknown, options: unknown): TransferContext {
  const { offset, count }: Record<string, unknown> = isRecord(options) ? options : {}
  const fd = typeof source === 'number' ? source : Reflect.get(Object(source), 'fd')
  return {
    api: 'sendfile',
    destination,
    source: {
      path:
        typeof source === 'string' || Buffer.isBuffer(source)
          ? source
          : source instanceof URL
            ? source.href
            : undefined,
      fd: typeof fd === 'number' ? fd : undefined,
      offset: isBytes(offset) || offset === null ? offset : 0,
      count: isBytes(count) ? count : undefined,
    },
  }
}

function isBytes(value: unknown): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint'
}

/** Runs a call that returns a promise, and publishes its start and end. Stores bound to 'start' are available inside. */
export function traceTransfer<T extends TransferFigures>(context: TransferContext, call: () => Promise<T>): Promise<T> {
  return channels.tracePromise(call, context)
}

/** The trace of a transfer without a promise: a piped stream. */
export class TransferTrace {
  readonly #context: TransferContext

  /** Publishes 'start', runs `begin` with the stores that are bound to the channel, and publishes 'end'. */
  constructor(context: TransferContext, begin: () => void) {
    this.#context = context
    channels.start.runStores(context, () => {
      try {
        begin()
      } finally {
        channels.end.publish(context)
      }
    })
  }

  /** Publishes the end of the transfer, after 'error' if it failed. */
  finish(result: TransferFigures, error: unknown): void {
    const context = this.#context
    context.result = result
    if (error !== undefined) {
      context.error = error
      channels.error.publish(context)
    }
    channels.asyncStart.runStores(context, () => channels.asyncEnd.publish(context))
  }
}
