/**
 * Closes the file of a stream that was never read and has been collected as garbage. Node leaves such a file open until the
 * process ends. The file is left alone if the program may know its number.
 *
 * A stream exposes its number by 'open', by 'ready' and by `fd`. Listeners are counted when the file is opened. `fd` is
 * an accessor from then on; its first use makes it a plain property again, and the file is left alone. Node itself reads
 * and closes by `fd`, so that a closed number is never closed a second time.
 */
import { EventEmitter } from 'node:events'

import { define } from '../node/handle.ts'
import type { FileStream } from '../node/readable.ts'

/** Closes a file. Must not reference the stream, which would otherwise never be collected. */
interface Closer {
  close(fd: number, callback: () => void): void
}

/** An open file whose number has not been exposed. */
interface Unread {
  readonly closer: Closer
  readonly fd: number
}

const UNREAD = Symbol('sendfile64.unread')

interface UnreadStream extends FileStream {
  [UNREAD]?: Unread
}

const unreachable = new FinalizationRegistry<Unread>(({ closer, fd }) => closer.close(fd, () => {}))

/** The events whose listeners receive the number, or start to read. */
const EXPOSING = ['open', 'ready', 'readable']

/**
 * Whether the stream has no reader, and no listener that will receive the number of its file. Called when the file is open,
 * before the stream is informed.
 */
export function isUnread(stream: FileStream): boolean {
  // Nearly every stream is read at once; for these, only one property is read.
  if (stream.readableFlowing === true || stream.destroyed || stream.autoClose === false) return false
  // A derived class may receive the number in its own `emit`.
  if (stream.emit !== EventEmitter.prototype.emit) return false
  return EXPOSING.every((name) => stream.listenerCount(name) === 0)
}

/** Called when the stream has been informed of its number, if it was {@link isUnread unread} before. */
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
    const fd = expose(this)
    // An object that inherits from the stream must not get an own property.
    if (Object.hasOwn(this, 'fd')) setNumber(this, fd)
    return fd
  },
  set(value: unknown) {
    expose(this)
    setNumber(this, value)
  },
}

/** The program may know the number from now on, and is responsible for the file. */
function expose(stream: UnreadStream): number | null {
  const unread = stream[UNREAD]
  if (unread === undefined) return null
  unreachable.unregister(unread)
  return unread.fd
}

/** Defines the property as Node does. */
function setNumber(stream: UnreadStream, value: unknown): void {
  Object.defineProperty(stream, 'fd', { configurable: true, enumerable: true, writable: true, value })
}
