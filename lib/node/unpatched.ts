/**
 * Which functions count as Node's own, and which have been replaced.
 *
 * Tracers, middleware and mock file systems replace methods of objects and of prototypes, before this module is loaded
 * or after. Comparing with the current method of a prototype is not sufficient, because that may be the replacement. A function
 * is Node's own if it existed when this module was loaded and if its source text was that of Node's function.
 *
 * A replacement of a method of the destination, of the stream or of one of their prototypes receives the real bytes or is not
 * called for them; it never receives a marker. Tracers of asynchronous context replace functions of EventEmitter.prototype for
 * the whole process. No chunk of a segment passes through them, so they do not prevent the use of the kernel; only the
 * listener that the pipe has added must be Node's own.
 */
import { EventEmitter } from 'node:events'
import fs from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import { Readable, Writable } from 'node:stream'

const sourceOf = Function.prototype.toString

/** Whether a function is Node's own. `text` occurs in the source of Node's function, and not in a wrapper around it. */
function isFrom(value: unknown, text: string): value is Function {
  return typeof value === 'function' && Reflect.apply(sourceOf, value, []).includes(text)
}

const OURS = Symbol.for('sendfile64.hook')

/** Marks a function as a hook of this package. The value is the function itself, because wrappers copy properties. */
export function declareOurs(hook: Function): void {
  Object.defineProperty(hook, OURS, { value: hook })
}

/** Whether a method is a hook of any copy of this package. */
export function isOurs(method: unknown): boolean {
  return typeof method === 'function' && (method as { readonly [OURS]?: unknown })[OURS] === method
}

/** A method of a prototype of Node, as it was when this module was loaded. */
class Own {
  /** `undefined` if it had been replaced before. */
  readonly method: Function | undefined
  readonly #name: string

  constructor(prototype: object, name: string, text: string) {
    const method: unknown = Reflect.get(prototype, name)
    this.method = isFrom(method, text) ? method : undefined
    this.#name = name
  }

  /** Whether `target` has this method, directly or below a hook of this package. */
  isIn(target: object): boolean {
    return this.isUnder(Reflect.get(target, this.#name), target)
  }

  /** The same for callers that have read `method` of `target` by its literal name, which is much faster. */
  isUnder(method: unknown, target: object): boolean {
    if (this.is(method)) return true
    return isOurs(method) && this.is(Reflect.get(Object.getPrototypeOf(target), this.#name))
  }

  is(method: unknown): boolean {
    return method === this.method && method !== undefined
  }
}

/* ---------------------------------------------------------------- destinations */

const { prototype: messages } = http.OutgoingMessage
const { prototype: sockets } = net.Socket

const messageWrite = new Own(messages, 'write', 'write_(this, chunk, encoding, callback, false)')
const WRITE = '_write(this, chunk, encoding, cb)'
/** Sockets inherit it from Writable, where Node's own may still be found if it has been replaced for sockets. */
const socketWrite = new Own(
  [sockets, Writable.prototype].find(({ write }) => isFrom(write, WRITE)) ?? sockets,
  'write',
  WRITE,
)

const ownSend = new Own(messages, '_send', 'this._writeRaw(')
const ownWriteRaw = new Own(messages, '_writeRaw', 'conn._httpMessage === this')
const ownFlush = new Own(messages, '_flush', 'this._flushOutput(')
const ownFlushOutput = new Own(messages, '_flushOutput', 'outputData[i]')

const socketWriteOne = new Own(sockets, '_write', 'this._writeGeneric(false, ')
const socketWriteMany = new Own(sockets, '_writev', 'this._writeGeneric(true, ')
const socketWriteGeneric = new Own(sockets, '_writeGeneric', 'writevGeneric(this, data, cb)')

/** Whether `write`, a method of a socket or message, is Node's. */
export function isOwnWrite(destination: object, write: unknown): boolean {
  return (destination instanceof http.OutgoingMessage ? messageWrite : socketWrite).is(write)
}

/** Node's own `write` of a socket or message, even if it has been replaced; `undefined` if it is not known. */
export function ownWrite(destination: object): Function | undefined {
  return (destination instanceof http.OutgoingMessage ? messageWrite : socketWrite).method
}

/** Writes a chunk with Node's own `write`, which must be known. */
export function writeAsOwn(destination: Writable | http.OutgoingMessage, ...args: readonly unknown[]): unknown {
  const write = ownWrite(destination)
  if (write === undefined) throw new TypeError('write of the destination has been replaced')
  return Reflect.apply(write, destination, args)
}

/** The first replaced method among those through which `write` of a message passes a chunk to the socket. */
export function replacedInMessage(message: object): string | undefined {
  const { _send, _writeRaw, _flush, _flushOutput } = message as MessageWrites
  if (!ownSend.isUnder(_send, message)) return '_send'
  if (!ownWriteRaw.isUnder(_writeRaw, message)) return '_writeRaw'
  return ownFlush.isUnder(_flush, message) && ownFlushOutput.isUnder(_flushOutput, message) ? undefined : '_flush'
}

/** The methods between `write` of a message and `write` of its socket. */
interface MessageWrites {
  readonly _send?: unknown
  readonly _writeRaw?: unknown
  readonly _flush?: unknown
  readonly _flushOutput?: unknown
}

/** Whether `_send` of a message is Node's own, and not a hook of this package. */
export function isOwnSend(send: unknown): boolean {
  return ownSend.is(send)
}

/** The methods by which chunks reach the handle of a socket. */
export interface SocketWrites {
  readonly _write?: unknown
  readonly _writev?: unknown
}

/** Whether both methods, and the method of the socket that they call, are Node's own. */
export function hasOwnWrites(socket: net.Socket, { _write, _writev }: SocketWrites): boolean {
  const { _writeGeneric } = socket as { readonly _writeGeneric?: unknown }
  return socketWriteOne.is(_write) && socketWriteMany.is(_writev) && socketWriteGeneric.isUnder(_writeGeneric, socket)
}

/** Whether `_writev` of a socket is Node's. */
export function isOwnWritev(writev: unknown): boolean {
  return writev === undefined || socketWriteMany.is(writev)
}

/** Whether a listener of a handle is Node's own and serves the socket that owns the handle. */
export function servesOwner(listener: unknown): boolean {
  return isFrom(listener, 'this[owner_symbol]')
}

/* ---------------------------------------------------------------- streams */

const push = new Own(Readable.prototype, 'push', 'readableAddChunk')
const read = new Own(Readable.prototype, 'read', 'computeNewHighWaterMark(')
const resume = new Own(Readable.prototype, 'resume', 'resume(this, state)')
const on = new Own(Readable.prototype, 'on', 'Stream.prototype.on.call(this, ')
const readFile = new Own(fs.ReadStream.prototype, '_read', '[kFs]')
const addListener = new Own(EventEmitter.prototype, 'on', '_addListener(this, ')

/** The first replaced method by which chunks reach the reader of a file stream. `files` is the prototype of its class. */
export function replacedInReading(stream: Readable, files: object): string | undefined {
  if (!push.isIn(stream)) return 'push'
  if (!read.isIn(stream)) return 'read'
  if (!resume.isIn(stream)) return 'resume'
  if (!on.isIn(stream)) return 'on'
  // A replacement for all emitters is accepted: see above.
  if (stream.emit !== EventEmitter.prototype.emit) return 'emit'
  return readFile.isIn(files) ? undefined : '_read'
}

/** Whether the listener that a pipe has added is that of Node's pipe, and not a wrapper around it. */
export function isPipesOwn(stream: Readable, listener: Function): boolean {
  // With Node's own `on`, the listener cannot have been wrapped.
  if (on.isIn(stream) && addListener.isIn(EventEmitter.prototype) && listener.name === 'ondata') return true
  return isFrom(listener, 'dest.write(chunk)')
}

/* ---------------------------------------------------------------- fs */

// A function that is Node's own may call a replaced binding, as mock file systems do. A file that the addon has opened is
// therefore compared with the result of `fs` (lib/file/same-file.ts).

type Name = 'open' | 'openSync' | 'read' | 'close'

/** A function of `fs`, checked again whenever it has changed, because it may be replaced and restored. */
class Watched {
  readonly #name: Name
  readonly #call: string
  #last: unknown
  #isOwn = false

  /** `call` occurs in the source of Node's function, and not in a wrapper around it. */
  constructor(name: Name, call: string) {
    this.#name = name
    this.#call = call
  }

  get isOwn(): boolean {
    const current = fs[this.#name]
    if (current !== this.#last) {
      this.#last = current
      this.#isOwn = isFrom(current, this.#call)
    }
    return this.#isOwn
  }
}

const fsOpen = new Watched('open', 'binding.open(')
const fsOpenSync = new Watched('openSync', 'binding.open(')
const fsRead = new Watched('read', 'binding.read(')
const fsClose = new Watched('close', 'binding.close(')

/** Whether `fs` opens the file that the path names for the kernel. */
export function opensOwn(): boolean {
  return fsOpen.isOwn && fsOpenSync.isOwn
}

/** Whether `fs` reads the bytes that the kernel would send. */
export function readsOwn(): boolean {
  return fsRead.isOwn
}

/** Whether `fs.close` is Node's own. graceful-fs replaces it to retry opens that failed with EMFILE. */
export function closesOwn(): boolean {
  return fsClose.isOwn
}
