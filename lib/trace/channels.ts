/** The channels of node:diagnostics_channel. */
import { type TracingChannel, tracingChannel } from 'node:diagnostics_channel'

import { isRecord } from '../options/validate.ts'
import type { Method } from '../options/sendfile.ts'
import type { Fallback } from '../transfer/result.ts'

/** What every subscriber of `tracing:sendfile64.transfer:*` gets: one object for a transfer, from its start to its end. */
export interface TransferContext {
  /** Where the bytes come from: a path or descriptor as it was given, and the range; `count` undefined to the end. */
  readonly source: {
    readonly path?: string | Buffer | undefined
    readonly fd?: number | undefined
    readonly offset: number | bigint | null
    readonly count: number | bigint | undefined
  }
  /** The object the bytes go to: a socket, an http message, any Writable. */
  readonly destination: unknown
  /** Which API was called. */
  readonly api: 'sendfile' | 'pipe'
  /** How it went; there from 'asyncStart' on, unless it failed. */
  result?: TransferFigures
  /** Why it failed; there from 'error' on. */
  error?: unknown
}

/** What is told of a transfer that has gone well. */
export interface TransferFigures {
  /** The method that was used last. */
  readonly method: Method
  /** Bytes that the destination has accepted. */
  readonly bytesSent: number | bigint
  /** Why no better method was used, in order. */
  readonly fallbacks: readonly Fallback[]
}

const channels: TracingChannel<unknown, TransferContext> = tracingChannel('sendfile64.transfer')

/** Whether anybody listens. `tracingChannel.hasSubscribers` does not exist in every supported runtime. */
export function isTraced(): boolean {
  const { start, end, asyncStart, asyncEnd, error } = channels
  return [start, end, asyncStart, asyncEnd, error].some((channel) => channel.hasSubscribers)
}

/** The arguments of `sendfile` as they were given, good or bad; the options as they have been read. */
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

/** Runs a call that gives a promise, and publishes what becomes of it; a store bound to 'start' is there inside. */
export function traceTransfer<T extends TransferFigures>(context: TransferContext, call: () => Promise<T>): Promise<T> {
  return channels.tracePromise(call, context)
}

/** A traced transfer that no promise stands for: a piped stream. */
export class TransferTrace {
  readonly #context: TransferContext

  /** Publishes 'start', runs `begin` with the stores that are bound to it, publishes 'end'. */
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

  /** Publishes the end of the transfer: 'error' first, if it failed. */
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
