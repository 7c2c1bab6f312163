/** Replaces Node's ReadStream with the one of this package, for the whole process. */
import fs from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { devNull } from 'node:os'

import { KEY } from './node/marker.ts'
import { debug } from './options/environment.ts'
import { ReadStream, stockReason } from './read-stream.ts'

/**
 * Replaces `fs.createReadStream` and `FileHandle.createReadStream`: Node creates its streams with `fs.ReadStream`, also for
 * modules that imported `createReadStream` earlier. Does nothing if streams are stock, or when called again.
 */
export function register(): void {
  if (stockReason !== undefined) return debug('register: streams stay stock, %s', stockReason)
  if (Object.hasOwn(fs.ReadStream, KEY)) return debug('register: already done')
  if (!Reflect.set(fs, 'ReadStream', ReadStream) || !Object.is(fs.ReadStream, ReadStream)) {
    return debug('register: streams stay stock, fs.ReadStream cannot be replaced')
  }
  syncBuiltinESMExports()
  void registerHandles()
  debug('register: fs.ReadStream is replaced')
}

/**
 * Node exposes the class of a FileHandle only through its instances. This open enters the queue of the thread pool before
 * any open of the program.
 */
async function registerHandles(): Promise<void> {
  let handle: FileHandle
  try {
    handle = await fs.promises.open(devNull)
  } catch (error) {
    return debug('register: FileHandle.createReadStream stays stock, %o', error)
  }
  replaceOn(Object.getPrototypeOf(handle))
  await handle.close()
}

function replaceOn(prototype: object): void {
  const method = Object.getOwnPropertyDescriptor(prototype, 'createReadStream')
  if (typeof method?.value !== 'function') return debug('register: FileHandle has no createReadStream')
  function createReadStream(this: FileHandle, options?: object): unknown {
    return Reflect.construct(ReadStream, [undefined, { ...options, fd: this }])
  }
  Object.defineProperty(prototype, 'createReadStream', { ...method, value: createReadStream })
}
