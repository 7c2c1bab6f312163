/** Private fields of readable streams: fs.ReadStream as a base class, and the destinations of a pipe. */
import fs from 'node:fs'
import type { Readable } from 'node:stream'

import { replacedInReading as replacedIn } from './unpatched.ts'

interface PrivateReadable extends Readable {
  readonly _readableState: {
    readonly pipes?: unknown
    readonly reading?: unknown
    readonly awaitDrainWriters?: unknown
  }
}

/** The hooks of a Readable that are documented for implementers, and that a file stream has. */
export interface Hooks {
  _read(size: number): void
  _destroy(error: Error | null, callback: DestroyCallback): void
}

export type DestroyCallback = (error?: Error | null) => void

/** Properties of a file stream that everybody uses and its type does not have. */
export interface FileStream extends fs.ReadStream {
  /** `null` until the file is open, and after it is closed. */
  fd: number | null
  /** Whether the file is closed at the end of the stream and by `destroy()`. */
  readonly autoClose: boolean
  /** The offset of the next read; `undefined` at the file's own position. */
  pos: number | undefined
  /** The last byte wanted; counted from where the stream began if `pos` is undefined. */
  end: number
}

/** fs.ReadStream, as it was when this module was loaded: a function that initializes its `this`. */
export interface StockReadStream {
  readonly prototype: FileStream & Hooks
  new (path: unknown, options?: unknown): FileStream
  (this: unknown, path: unknown, options?: unknown): void
}

const found: unknown = fs.ReadStream

/** `undefined` where it cannot be derived from as a function: an ES class, in other runtimes or behind a wrapper. */
export const Stock = isFunctionConstructor(found) ? found : undefined

function isFunctionConstructor(value: unknown): value is StockReadStream {
  if (typeof value !== 'function' || /^class\b/.test(Function.prototype.toString.call(value))) return false
  const { prototype } = value
  return typeof prototype?._read === 'function' && typeof prototype._destroy === 'function'
}

/** The only destination a stream is piped to, `undefined` if there is none or more. */
export function onlyPipe(stream: Readable): unknown {
  const { pipes } = (stream as PrivateReadable)._readableState
  return Array.isArray(pipes) && pipes.length === 1 ? pipes[0] : undefined
}

/** Whether a stream is piped to this destination; without one, to any. */
export function isPipedTo(stream: Readable, destination?: unknown): boolean {
  const { pipes } = (stream as PrivateReadable)._readableState
  return Array.isArray(pipes) && (destination === undefined ? pipes.length > 0 : pipes.includes(destination))
}

/** Whether the pipe to this destination has paused the stream until 'drain'. */
export function awaitsDrain(stream: Readable, destination: unknown): boolean {
  const { awaitDrainWriters: writers } = (stream as PrivateReadable)._readableState
  return writers === destination || (writers instanceof Set && writers.has(destination))
}

/** Whether chunks are in the stream's buffer, or a read is going on that will put one there. */
export function isReadAlready(stream: Readable): boolean {
  return stream.readableLength > 0 || (stream as PrivateReadable)._readableState.reading === true
}

/** The method by which chunks reach who reads a file stream that somebody has replaced, `undefined` if there is none. */
export function replacedInReading(stream: Readable): string | undefined {
  return replacedIn(stream, Stock?.prototype ?? stream)
}

/** Makes a function a class that derives from another one, with methods on its prototype. */
export function derive<T>(constructor: Function, base: StockReadStream, members: object): T {
  Object.setPrototypeOf(constructor, base)
  const prototype: object = Object.create(base.prototype, {
    constructor: { value: constructor, writable: true, configurable: true },
  })
  for (const [name, member] of Object.entries(Object.getOwnPropertyDescriptors(members))) {
    Object.defineProperty(prototype, name, { ...member, enumerable: false })
  }
  Object.defineProperty(constructor, 'prototype', { value: prototype })
  return constructor as T
}

/** Runs `action` while a method of `target` is `method`, and puts back what was there. */
export function withMethod<T>(target: object, name: string, method: Function, action: () => T): T {
  const own = Object.getOwnPropertyDescriptor(target, name)
  Object.defineProperty(target, name, { configurable: true, writable: true, value: method })
  try {
    return action()
  } finally {
    if (own === undefined) Reflect.deleteProperty(target, name)
    else Object.defineProperty(target, name, own)
  }
}

/** Answers `_read` as fs.ReadStream does: pushes at most `size` bytes. */
export function readAsStock(stream: FileStream, size: number): void {
  Stock?.prototype._read.call(stream, size)
}

/** Closes the file as fs.ReadStream does: when no read of its own is going on. */
export function destroyAsStock(stream: FileStream, error: Error | null, callback: DestroyCallback): void {
  Stock?.prototype._destroy.call(stream, error, callback)
}

/** fs.ReadStream itself. */
export function stockConstructor<T>(): T {
  return found as T
}

/** fs.createReadStream, of whoever has it now. */
export function createStock<T>(path: fs.PathLike, options: object | BufferEncoding | undefined): T {
  return fs.createReadStream(path, options) as T
}
