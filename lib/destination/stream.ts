/** Which streams can be a destination, and which executor sends to them. */
import dgram from 'node:dgram'
import http from 'node:http'
import net from 'node:net'
import type { Writable } from 'node:stream'
import tls from 'node:tls'

import { isNode, native } from '../native/load.ts'
import { invalidType } from '../errors/node-error.ts'
import { badDestination } from '../errors/sendfile-error.ts'
import { foreignHandle, foreignStream, OBSTACLE, type Obstacle, wrapped } from '../errors/obstacle.ts'
import { callOriginal, type Destination, isHeld, bypassHold, originalMethod } from '../hooks/hold.ts'
import { markersWork } from '../node/marker.ts'
import { canBeGuarded, handleName, isEncrypted } from '../node/handle.ts'
import { hookFlush } from '../hooks/message-hook.ts'
import { sentHeader, writeImplicitHeader } from '../node/outgoing-message.ts'
import { hasOwnWrites, hookSocket } from '../hooks/socket-hook.ts'
import { isOwnWrite, replacedInMessage } from '../node/unpatched.ts'
import type { Bytes } from '../options/validate.ts'
import { switchedOff } from '../options/environment.ts'

/** How the bytes reach a destination. */
export type Route =
  /** By a marker chunk through the socket. */
  | { readonly by: 'socket'; readonly socket: net.Socket }
  /** By a marker chunk through an http message. */
  | { readonly by: 'message'; readonly message: http.OutgoingMessage }
  /** By reading and writing in JavaScript. */
  | { readonly by: 'copy'; readonly obstacle: Obstacle }

const usesMarkers = isNode && markersWork()

/**
 * Checks that the argument can be a destination.
 * @throws {TypeError} ERR_INVALID_ARG_TYPE
 * @throws {SendfileError} ERR_SENDFILE_DESTINATION: a datagram socket, or a stream that is closed, ended or read-only
 */
export function parseDestination(destination: unknown): Destination {
  if (destination instanceof dgram.Socket) {
    throw badDestination(
      'A datagram socket cannot be used as a destination: a file has no packet boundaries. Use a stream socket',
    )
  }
  if (!isDestination(destination)) {
    const expected = 'of type number or an instance of Socket, ServerResponse, ClientRequest, Writable, or FileHandle'
    throw invalidType('destination', expected, destination)
  }
  const state = closedState(destination)
  if (state !== undefined) throw badDestination(`The destination is ${state} and accepts no more data`)
  return destination
}

/** Whether a value has the methods of a destination. */
export function isDestination(value: unknown): value is Destination {
  if (typeof value !== 'object' || value === null) return false
  const { write, end, on }: { write?: unknown; end?: unknown; on?: unknown } = value
  return typeof write === 'function' && typeof end === 'function' && typeof on === 'function'
}

/** The state in which a destination accepts no more data; `undefined` if it accepts data. */
export function closedState(destination: Destination): string | undefined {
  const { destroyed, writableEnded, closed, writable }: Partial<Record<keyof Writable, unknown>> = destination
  if (destroyed === true) return 'destroyed'
  if (writableEnded === true) return 'ended'
  if (closed === true) return 'closed'
  if (writable === false) return 'not writable'
  const socket = destination instanceof http.ServerResponse ? serverSocket(destination) : undefined
  if (socket?.destroyed === true) return 'closed by its client'
  return socket?.writableEnded === true ? 'on a connection that has been ended' : undefined
}

/**
 * Whether the connection of a response has been ended before the response. http keeps what is written to the response then,
 * and never sends it (lib/_http_outgoing.js, _writeRaw).
 */
export function isCutOff(destination: unknown): boolean {
  return destination instanceof http.ServerResponse && serverSocket(destination)?.writableEnded === true
}

/** The connection of a response: known through the request while an earlier response has the socket. */
export function serverSocket(response: http.ServerResponse): net.Socket | undefined {
  const socket: unknown = response.socket ?? response.req?.socket
  return socket instanceof net.Socket ? socket : undefined
}

/** The connection of a destination; `undefined` if it has none yet. */
export function connectionOf(destination: Destination): net.Socket | undefined {
  if (destination instanceof http.OutgoingMessage) return socketOf(destination)
  return destination instanceof net.Socket ? destination : undefined
}

/** The route of a transfer, before its first byte is written. */
export function routeTo(destination: Destination): Route {
  if (switchedOff !== undefined) return { by: 'copy', obstacle: switchedOff }
  if (destination instanceof http.OutgoingMessage) return routeToMessage(destination)
  if (destination instanceof net.Socket) {
    const obstacle = markerObstacle(destination)
    if (obstacle === undefined) return { by: 'socket', socket: destination }
    return { by: 'copy', obstacle }
  }
  return { by: 'copy', obstacle: foreignStream(destination.constructor.name) }
}

function routeToMessage(message: http.OutgoingMessage): Route {
  const obstacle = messageObstacle(message)
  return obstacle === undefined ? { by: 'message', message } : { by: 'copy', obstacle }
}

function messageObstacle(message: http.OutgoingMessage): Obstacle | undefined {
  if (message instanceof http.ClientRequest && message.protocol === 'https:') return OBSTACLE.tls
  const socket = socketOf(message)
  if (socket !== undefined) return markerObstacle(socket) ?? sendObstacle(message)
  // A request gets its socket later, and is checked again then. A response without a socket is not Node's own.
  if (!(message instanceof http.ClientRequest)) return OBSTACLE.noConnection
  return usesMarkers ? sendObstacle(message) : OBSTACLE.runtime
}

function sendObstacle(message: http.OutgoingMessage): Obstacle | undefined {
  const replaced = replacedInMessage(message)
  return replaced === undefined ? undefined : wrapped(replaced)
}

function socketOf(message: http.OutgoingMessage): net.Socket | undefined {
  return message instanceof http.ServerResponse ? serverSocket(message) : (message.socket ?? undefined)
}

/** The reason why no marker may be written to a socket; `undefined` if there is none. */
function markerObstacle(socket: net.Socket): Obstacle | undefined {
  if (!usesMarkers) return OBSTACLE.runtime
  if (socket instanceof tls.TLSSocket || isEncrypted(socket)) return OBSTACLE.tls
  if (!writesOwn(socket)) return wrapped('write')
  return kernelObstacle(socket)
}

/** Whether `write` is Node's own, without the hold. */
function writesOwn(destination: Destination): boolean {
  return isOwnWrite(destination, isHeld(destination) ? originalMethod(destination, 'write') : destination.write)
}

/** The reason why the kernel cannot send to a socket. Checked again when the turn of a segment comes. */
function kernelObstacle(socket: net.Socket): Obstacle | undefined {
  if (socket instanceof tls.TLSSocket || isEncrypted(socket)) return OBSTACLE.tls
  if (native === undefined) return OBSTACLE.noAddon
  if (!hasOwnWrites(socket)) return wrapped('_write')
  if (!canBeGuarded(socket)) return OBSTACLE.runtime
  const name = handleName(socket)
  // Without a handle, it is not connected yet or is closed: Node reports which when the turn comes.
  if (name === undefined || name === 'TCP' || name === 'Pipe') return undefined
  return foreignHandle(name)
}

function hook(socket: net.Socket): void {
  hookSocket(socket, kernelObstacle)
}

/** Adds the hooks to the sockets of a route, now or when it gets them. */
export function prepare(route: Route): void {
  if (route.by === 'socket') hook(route.socket)
  if (route.by !== 'message') return
  const socket = socketOf(route.message)
  if (!route.message.socket) hookFlush(route.message, hook)
  if (socket !== undefined) hook(socket)
}

/**
 * Middleware that was put on while the file was being opened came too late for this body: the headers are fixed by the
 * methods of the time of the call.
 */
export function fixHeaders(destination: Destination): void {
  if (destination instanceof http.ServerResponse && isHeld(destination)) commitHeaders(destination)
}

function commitHeaders(response: http.ServerResponse): void {
  if (!response.headersSent) callOriginal(response, 'writeHead', response.statusCode)
}

/** Fixes the headers of a message as its first `write` would. A hold of the message does not delay this. */
export function fixHeader(message: http.OutgoingMessage): void {
  if (!message.headersSent) bypassHold(message, () => writeImplicitHeader(message))
}

/** Whether `write` of a message has been replaced. */
export function isWrapped(message: http.OutgoingMessage): boolean {
  return !writesOwn(message)
}

/**
 * Middleware may have replaced `write`. Once the headers are fixed, a Content-Length of exactly these bytes and no
 * encoding prove that it will not alter the body; the marker then bypasses it. This function fixes the headers, as the
 * first `write` would.
 */
export function wrapperObstacle(message: http.OutgoingMessage, count: Bytes): Obstacle | undefined {
  if (!isWrapped(message)) return undefined
  if (!(message instanceof http.ServerResponse)) return wrapped('write')
  // A replacement on the prototype applies to every response, so it is not middleware of this one.
  if (!isOwnWrite(message, Reflect.get(Object.getPrototypeOf(message), 'write'))) return wrapped('write')
  // A wrapper that collects the body to set its length at the end must not find the headers sent.
  if (!message.headersSent && String(message.getHeader('content-length')) !== String(count)) return wrapped('write')
  commitHeaders(message)
  const header = sentHeader(message) ?? ''
  const length = /^content-length: *(\d+) *$/im.exec(header)?.[1]
  const encoded = /^(content|transfer)-encoding:/im.test(header)
  return length === String(count) && !encoded ? undefined : wrapped('write')
}

/** Whether all methods that see the chunks of a socket or message are Node's own. */
export function isUnobserved(destination: Destination): boolean {
  if (!writesOwn(destination)) return false
  const socket = connectionOf(destination)
  if (socket !== undefined && !(writesOwn(socket) && hasOwnWrites(socket))) return false
  return !(destination instanceof http.OutgoingMessage) || replacedInMessage(destination) === undefined
}
