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

/** Properties of a file stream that its type lacks. */
export interface FileStream extends fs.ReadStream {
  /** `null` until the file is open, and after it is closed. */
  fd: number | null
  /** Whether the file is closed at the end of the stream and by `destroy()`. */
  readonly autoClose: boolean
  /** The offset of the next read; `undefined` at the file's own position. */
  pos: number | undefined
  /** The offset of the last byte to read; relative to the start of the stream if `pos` is undefined. */
  end: number
}

/** fs.ReadStream, as it was when this module was loaded: a function that initializes its `this`. */
export interface StockReadStream {
  readonly prototype: FileStream & Hooks
  new (path: unknown, options?: unknown): FileStream
  (this: unknown, path: unknown, options?: unknown): void
}

const current: unknown = fs.ReadStream

/** `undefined` if it is an ES class, which cannot be called as a function: in other runtimes or behind a wrapper. */
export const Stock = isFunctionConstructor(current) ? current : undefined

function isFunctionConstructor(value: unknown): value is StockReadStream {
  if (typeof value !== 'function' || /^class\b/.test(Function.prototype.toString.call(value))) return false
  const { prototype } = value
  return typeof prototype?._read === 'function' && typeof prototype._destroy === 'function'
}

/** The only destination that a stream is piped to; `undefined` if there is none or more than one. */
export function onlyPipe(stream: Readable): unknown {
  const { pipes } = (stream as PrivateReadable)._readableState
  return Array.isArray(pipes) && pipes.length === 1 ? pipes[0] : undefined
}

/** Whether a stream is piped to `destination`, or to any destination if it is omitted. */
export function isPipedTo(stream: Readable, destination?: unknown): boolean {
  const { pipes } = (stream as PrivateReadable)._readableState
  return Array.isArray(pipes) && (destination === undefined ? pipes.length > 0 : pipes.includes(destination))
}

/** Whether the pipe to this destination has paused the stream until 'drain'. */
export function awaitsDrain(stream: Readable, destination: unknown): boolean {
  const { awaitDrainWriters: writers } = (stream as PrivateReadable)._readableState
  return writers === destination || (writers instanceof Set && writers.has(destination))
}

/** Whether the buffer of the stream contains chunks, or a read is in progress that will add one. */
export function isReadAlready(stream: Readable): boolean {
  return stream.readableLength > 0 || (stream as PrivateReadable)._readableState.reading === true
}

/** The first replaced method by which chunks reach the reader of a file stream; `undefined` if there is none. */
export function replacedInReading(stream: Readable): string | undefined {
  return replacedIn(stream, Stock?.prototype ?? stream)
}

/** Turns a function into a class that extends another one, with methods on its prototype. */
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

/** Replaces a method of `target` while `action` runs. */
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

/** `_read` of fs.ReadStream: pushes at most `size` bytes. */
export function readAsStock(stream: FileStream, size: number): void {
  Stock?.prototype._read.call(stream, size)
}

/** `_destroy` of fs.ReadStream: closes the file after the read in progress. */
export function destroyAsStock(stream: FileStream, error: Error | null, callback: DestroyCallback): void {
  Stock?.prototype._destroy.call(stream, error, callback)
}

/** fs.ReadStream itself. */
export function stockConstructor<T>(): T {
  return current as T
}

/** Calls the current `fs.createReadStream`, which may have been replaced. */
export function createStock<T>(path: fs.PathLike, options: object | BufferEncoding | undefined): T {
  return fs.createReadStream(path, options) as T
}
