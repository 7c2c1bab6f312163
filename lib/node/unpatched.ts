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

/** `text`: what stands in the source of Node's function, and in none that only wraps it. */
function isFrom(found: unknown, text: string): found is Function {
  return typeof found === 'function' && Reflect.apply(sourceOf, found, []).includes(text)
}

const OURS = Symbol.for('sendfile64.hook')

/** Says of a function that it knows what a marker is. The value is no other function's: wrappers copy properties. */
export function declareOurs(hook: Function): void {
  Object.defineProperty(hook, OURS, { value: hook })
}

/** Whether a method is a hook of this package, in whichever copy of it. */
export function isOurs(method: unknown): boolean {
  return typeof method === 'function' && (method as { readonly [OURS]?: unknown })[OURS] === method
}

/** A method of a prototype of Node, as it was at load. */
class Own {
  /** `undefined` where somebody had replaced it before. */
  readonly method: Function | undefined
  readonly #name: string

  constructor(prototype: object, name: string, text: string) {
    const found: unknown = Reflect.get(prototype, name)
    this.method = isFrom(found, text) ? found : undefined
    this.#name = name
  }

  /** Whether it is what `target` has under its name, or under a hook of ours. */
  isIn(target: object): boolean {
    return this.isUnder(Reflect.get(target, this.#name), target)
  }

  /** The same where `found` is what `target` has under the name. To read it by its name is much the faster way. */
  isUnder(found: unknown, target: object): boolean {
    if (this.is(found)) return true
    return isOurs(found) && this.is(Reflect.get(Object.getPrototypeOf(target), this.#name))
  }

  is(found: unknown): boolean {
    return found === this.method && found !== undefined
  }
}

/* ---------------------------------------------------------------- destinations */

const { prototype: messages } = http.OutgoingMessage
const { prototype: sockets } = net.Socket

const messageWrite = new Own(messages, 'write', 'write_(this, chunk, encoding, callback, false)')
const WRITE = '_write(this, chunk, encoding, cb)'
/** The same function as that of Writable, where it may be found if that of sockets has been replaced. */
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

/** Node's `write` of a socket or message, whatever stands in its place now. `undefined` if it is not known. */
export function ownWrite(destination: object): Function | undefined {
  return (destination instanceof http.OutgoingMessage ? messageWrite : socketWrite).method
}

/** Writes a chunk past whoever has replaced `write`. It is an error of the caller's if Node's own is not known. */
export function writeAsOwn(destination: Writable | http.OutgoingMessage, ...args: readonly unknown[]): unknown {
  const write = ownWrite(destination)
  if (write === undefined) throw new TypeError('write of the destination has been replaced')
  return Reflect.apply(write, destination, args)
}

/** The first method through which `write` of a message hands a chunk on to the socket that is not Node's. */
export function replacedInMessage(message: object): string | undefined {
  const { _send, _writeRaw, _flush, _flushOutput } = message as MessageWrites
  if (!ownSend.isUnder(_send, message)) return '_send'
  if (!ownWriteRaw.isUnder(_writeRaw, message)) return '_writeRaw'
  return ownFlush.isUnder(_flush, message) && ownFlushOutput.isUnder(_flushOutput, message) ? undefined : '_flush'
}

/** Between `write` of a message and `write` of its socket. */
interface MessageWrites {
  readonly _send?: unknown
  readonly _writeRaw?: unknown
  readonly _flush?: unknown
  readonly _flushOutput?: unknown
}

/** Whether `_send` of a message is Node's, and no hook of ours. */
export function isOwnSend(send: unknown): boolean {
  return ownSend.is(send)
}

/** The methods by which chunks reach the handle of a socket. */
export interface SocketWrites {
  readonly _write?: unknown
  readonly _writev?: unknown
}

/** Whether both are Node's, and what they call on the socket as well. */
export function hasOwnWrites(socket: net.Socket, { _write, _writev }: SocketWrites): boolean {
  const { _writeGeneric } = socket as { readonly _writeGeneric?: unknown }
  return socketWriteOne.is(_write) && socketWriteMany.is(_writev) && socketWriteGeneric.isUnder(_writeGeneric, socket)
}

/** Whether `_writev` of a socket is Node's. */
export function isOwnWritev(writev: unknown): boolean {
  return writev === undefined || socketWriteMany.is(writev)
}

/** Whether a listener of a handle's is one of Node's that serve the socket the handle belongs to. */
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

/** The first method by which chunks reach who reads a file stream that is not Node's. `files`: its class's prototype. */
export function replacedInReading(stream: Readable, files: object): string | undefined {
  if (!push.isIn(stream)) return 'push'
  if (!read.isIn(stream)) return 'read'
  if (!resume.isIn(stream)) return 'resume'
  if (!on.isIn(stream)) return 'on'
  // As every emitter has it: see above.
  if (stream.emit !== EventEmitter.prototype.emit) return 'emit'
  return readFile.isIn(files) ? undefined : '_read'
}

/** Whether the listener that a pipe has added is that of Node's pipe, and not a wrapper around it. */
export function isPipesOwn(stream: Readable, listener: Function): boolean {
  // Nobody could have wrapped it.
  if (on.isIn(stream) && addListener.isIn(EventEmitter.prototype) && listener.name === 'ondata') return true
  return isFrom(listener, 'dest.write(chunk)')
}

/* ---------------------------------------------------------------- fs */

// That a function is Node's own says nothing of what it calls: mock file systems replace the binding below. What the addon has
// opened is therefore compared with what `fs` says of it (lib/file/same-file.ts).

type Name = 'open' | 'openSync' | 'read' | 'close'

/** One function of `fs`, as it has it now: it may be replaced and put back. */
class Watched {
  readonly #name: Name
  readonly #call: string
  #last: unknown
  #isOwn = false

  /** `call`: what stands in the source of Node's function, and in no other that only wraps it. */
  constructor(name: Name, call: string) {
    this.#name = name
    this.#call = call
  }

  get isOwn(): boolean {
    const found = fs[this.#name]
    if (found !== this.#last) {
      this.#last = found
      this.#isOwn = isFrom(found, this.#call)
    }
    return this.#isOwn
  }
}

const fsOpen = new Watched('open', 'binding.open(')
const fsOpenSync = new Watched('openSync', 'binding.open(')
const fsRead = new Watched('read', 'binding.read(')
const fsClose = new Watched('close', 'binding.close(')

/** What is opened is what the path names for the kernel. */
export function opensOwn(): boolean {
  return fsOpen.isOwn && fsOpenSync.isOwn
}

/** What is read is what the kernel would send. */
export function readsOwn(): boolean {
  return fsRead.isOwn
}

/** Nobody waits for a descriptor to be closed (graceful-fs does, once there are too many). */
export function closesOwn(): boolean {
  return fsClose.isOwn
}
