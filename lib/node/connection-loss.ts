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

/** Whether an error says that the peer has left. */
function isLoss(error: unknown): boolean {
  return LOST.has(codeOf(error))
}

/** Whether a connection takes no further byte. */
export function isLeft(socket: net.Socket | null | undefined): boolean {
  return socket !== null && socket !== undefined && (socket.destroyed || socket.writableEnded)
}

/** Whether everything that a message has been given is in the kernel. */
export function isTaken({ socket, writableLength }: http.OutgoingMessage): boolean {
  return socket !== null && !socket.destroyed && writableLength === 0 && queued(socket) === 0
}

/** The callback of the write that ends a message: that the peer has left makes no difference to it. */
export function despiteLoss({ socket }: http.OutgoingMessage, callback: Callback): Callback {
  return (error) => {
    if (!isLoss(error)) return callback(error)
    const show = hideLoss(socket)
    callback()
    show()
  }
}

/** Lets a connection look as if its peer had not left yet. Returns how to end that. */
export function hideLoss(socket: net.Socket | null): () => void {
  if (socket === null || !isLoss(socket.errored) || Object.hasOwn(socket, 'errored')) return () => {}
  define(socket, 'errored', null)
  return () => void Reflect.deleteProperty(socket, 'errored')
}
