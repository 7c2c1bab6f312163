/**
 * A connection that is lost between the last byte of a body and the end of its message. The kernel has accepted the body, and
 * a stock stream would have written the end together with it. Since Node 24, the error of the connection prevents 'finish'
 * (onFinish, lib/_http_outgoing.js).
 */
import type http from 'node:http'
import type net from 'node:net'

import { codeOf } from '../errors/figures.ts'
import { define, queued } from './handle.ts'

type Callback = (error?: Error | null) => void

const LOST: ReadonlySet<unknown> = new Set(['ECONNRESET', 'EPIPE'])

/** Whether an error reports that the peer has closed the connection. */
function isLoss(error: unknown): boolean {
  return LOST.has(codeOf(error))
}

/** Whether a connection accepts no further bytes. */
export function isClosedForWriting(socket: net.Socket | null | undefined): boolean {
  return socket !== null && socket !== undefined && (socket.destroyed || socket.writableEnded)
}

/** Whether the kernel has accepted everything that was written to a message. */
export function isTaken({ socket, writableLength }: http.OutgoingMessage): boolean {
  return socket !== null && !socket.destroyed && writableLength === 0 && queued(socket) === 0
}

/** The callback of the write that ends a message. It ignores that the peer has closed the connection. */
export function despiteLoss({ socket }: http.OutgoingMessage, callback: Callback): Callback {
  return (error) => {
    if (!isLoss(error)) return callback(error)
    const show = hideLoss(socket)
    callback()
    show()
  }
}

/** Hides from Node that the peer has closed the connection. Returns a function that ends this. */
export function hideLoss(socket: net.Socket | null): () => void {
  if (socket === null || !isLoss(socket.errored) || Object.hasOwn(socket, 'errored')) return () => {}
  define(socket, 'errored', null)
  return () => void Reflect.deleteProperty(socket, 'errored')
}
