/**
 * Closes the file of a stream that was never read and has been collected as garbage. Node leaves such a file open until the
 * process ends. The file is left alone if the program may know its number.
 *
 * A stream gives its number away by 'open', by 'ready' and by `fd`. Listeners are counted when the file is opened. `fd` is
 * an accessor from then on; its first use makes it a plain property again, and the file is left alone. Node itself reads
 * and closes by `fd`, so that a closed number is never closed a second time.
 */
import { EventEmitter } from 'node:events'

import { define } from '../node/handle.ts'
import type { FileStream } from '../node/readable.ts'

/** Closes a file. It must not lead to the stream, which would never be collected then. */
interface Closer {
  close(fd: number, callback: () => void): void
}

/** An open file whose number has not been given away. */
interface Unread {
  readonly closer: Closer
  readonly fd: number
}

const UNREAD = Symbol('sendfile64.unread')

interface UnreadStream extends FileStream {
  [UNREAD]?: Unread
}

const unreachable = new FinalizationRegistry<Unread>(({ closer, fd }) => closer.close(fd, () => {}))

/** The events that give the number away, or that begin to read. */
const TELLING = ['open', 'ready', 'readable']

/**
 * Whether nobody reads the stream, and nobody will hear the number of its file. Asked when the file has been opened and the
 * stream does not know yet.
 */
export function isUnread(stream: FileStream): boolean {
  // Nearly every stream is read at once: this costs them no more than one property.
  if (stream.readableFlowing === true || stream.destroyed || stream.autoClose === false) return false
  // A derived class may hear the number in an `emit` of its own.
  if (stream.emit !== EventEmitter.prototype.emit) return false
  return TELLING.every((name) => stream.listenerCount(name) === 0)
}

/** To be called when the stream knows its number `fd`, if it was {@link isUnread unread} before. */
export function closeOnceUnreachable(stream: FileStream, closer: Closer, fd: number): void {
  if (stream.fd !== fd) return
  const unread: Unread = { closer, fd }
  define(stream, UNREAD, unread)
  Object.defineProperty(stream, 'fd', NUMBER)
  unreachable.register(stream, unread, unread)
}

const NUMBER: PropertyDescriptor & ThisType<UnreadStream> = {
  configurable: true,
  enumerable: true,
  get() {
    const fd = giveAway(this)
    // An object that inherits from the stream gets no property of its own.
    if (Object.hasOwn(this, 'fd')) setNumber(this, fd)
    return fd
  },
  set(value: unknown) {
    giveAway(this)
    setNumber(this, value)
  },
}

/** The file is the program's own from now on. */
function giveAway(stream: UnreadStream): number | null {
  const unread = stream[UNREAD]
  if (unread === undefined) return null
  unreachable.unregister(unread)
  return unread.fd
}

/** The property as Node has made it. */
function setNumber(stream: UnreadStream, value: unknown): void {
  Object.defineProperty(stream, 'fd', { configurable: true, enumerable: true, writable: true, value })
}
