// Code that replaces functions of `fs` (mock file systems, packed applications, tracers) decides which file is opened.
import fs from 'node:fs'
import { pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'

import type * as Package from '../../index.ts'
import { sendfile } from '../../index.ts'
import { run } from '../fixtures/child-process.ts'
import { connectedPair } from '../fixtures/connected-pair.ts'
import { FALLBACK_CODES, fallbackCode, kernelTest, METHOD } from '../fixtures/executor.ts'
import { sampleBytes, sampleFile } from '../fixtures/sample-file.ts'
import { secondCopy } from '../fixtures/second-copy.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { within } from '../fixtures/within.ts'

const file = sampleFile(1 << 20)

/** Replaces functions of `fs` until the test is over. */
function replace(t: ExecutionContext, functions: Readonly<Record<string, (...args: never[]) => unknown>>): void {
  for (const [name, replacement] of Object.entries(functions)) {
    const original: unknown = Reflect.get(fs, name)
    Reflect.set(fs, name, replacement)
    t.teardown(() => void Reflect.set(fs, name, original))
  }
}

/** A wrapper of fs.open that records the paths. */
function openNoting(seen: unknown[]): (...args: unknown[]) => unknown {
  const { open } = fs
  return (...args) => {
    seen.push(args[0])
    return Reflect.apply(open, fs, args)
  }
}

test.serial('a wrapper around fs.open sees every open, and the method stays the same', async (t) => {
  const { near, received } = await connectedPair(t)
  const seen: unknown[] = []
  await sendfile(near, file.path, { count: 1 })
  replace(t, { open: openNoting(seen) })
  const { method, fallbacks } = await within(sendfile(near, file.path, { end: true }), 'the transfer')
  await within(received.closed, 'the end of the connection')
  t.deepEqual(seen, [file.path])
  t.deepEqual([method, fallbacks.length], [METHOD, FALLBACK_CODES.length])
  t.is(sha256(received.bytes), sha256(file.bytes.subarray(0, 1), file.bytes))
})

test.serial('a wrapper installed before the package sees every open', async (t) => {
  const seen: unknown[] = []
  replace(t, { open: openNoting(seen) })
  const earlier: typeof Package = await import(pathToFileURL(secondCopy()).href)
  const { near, received } = await connectedPair(t)
  seen.length = 0
  const { method } = await within(earlier.sendfile(near, file.path, { end: true }), 'the transfer')
  await within(received.closed, 'the end of the connection')
  t.deepEqual(seen, [file.path])
  t.is(method, METHOD)
  t.is(sha256(received.bytes), sha256(file.bytes))
})

const VIRTUAL = 0x40000000
const real = fs.openSync(file.path, 'r')

/** A file system in memory whose one file has this number. */
function mountVirtual(t: ExecutionContext, fd: number, content: Buffer, closed: number[]): void {
  const stats = Object.assign(fs.statSync(file.path), { ino: 4711, size: content.length })
  const { fstat, fstatSync, read, close } = fs
  const isOurs = (args: readonly unknown[]): boolean => args[0] === fd
  replace(t, {
    open: (...args: unknown[]) => {
      const callback = args.at(-1)
      if (typeof callback === 'function') process.nextTick(() => Reflect.apply(callback, undefined, [null, fd]))
    },
    fstatSync: (...args: unknown[]): unknown => (isOurs(args) ? stats : Reflect.apply(fstatSync, fs, args)),
    fstat: (...args: unknown[]) => {
      if (!isOurs(args)) return Reflect.apply(fstat, fs, args)
      const callback = args.at(-1)
      if (typeof callback === 'function') process.nextTick(() => Reflect.apply(callback, undefined, [null, stats]))
    },
    read: (...args: unknown[]) => {
      if (!isOurs(args)) return Reflect.apply(read, fs, args)
      const [, buffer, at, length, position, callback] = args
      if (!(buffer instanceof Uint8Array) || typeof callback !== 'function') throw new TypeError('another signature')
      const bytes = content.copy(buffer, Number(at), Number(position), Number(position) + Number(length))
      process.nextTick(() => Reflect.apply(callback, undefined, [null, bytes, buffer]))
    },
    close: (...args: unknown[]) => {
      if (!isOurs(args)) return Reflect.apply(close, fs, args)
      closed.push(fd)
      const callback = args[1]
      if (typeof callback === 'function') process.nextTick(() => Reflect.apply(callback, undefined, [null]))
    },
  })
}

for (const [name, fd] of [
  ['is unknown to the kernel', VIRTUAL],
  ['belongs to another file in the kernel', real],
] as const) {
  test.serial(`a virtual file whose number ${name} is copied through fs`, async (t) => {
    const { near, received } = await connectedPair(t)
    const content = sampleBytes(300_000, 8)
    const closed: number[] = []
    mountVirtual(t, fd, content, closed)
    const transfer = sendfile(near, '/virtual/file', { offset: 5, end: true })
    const { method, bytesSent, fallbacks } = await within(transfer, 'the transfer')
    await within(received.closed, 'the end of the connection')
    t.is(method, 'copy')
    t.is(bytesSent, content.length - 5)
    t.deepEqual(
      fallbacks.map(({ from, to, code }) => ({ from, to, code })),
      [{ from: 'sendfile', to: 'copy', code: fallbackCode('FILESYSTEM') }],
    )
    t.is(sha256(received.bytes), sha256(content.subarray(5)))
    t.deepEqual(closed, [fd])
  })
}

test.serial('the package opens files itself again after the wrapper is removed', async (t) => {
  const { near, received } = await connectedPair(t)
  const { method } = await within(sendfile(near, file.path, { end: true }), 'the transfer')
  await within(received.closed, 'the end of the connection')
  t.is(method, METHOD)
  t.is(sha256(received.bytes), sha256(file.bytes))
})

kernelTest('functions replaced in the binding of fs decide which file is sent', async (t) => {
  const { exit } = run(t, 'replaced-binding.ts', [file.path])
  const { stdout, stderr } = await exit
  t.is(stdout, `${JSON.stringify({ transfer: 'virtual', stream: 'virtual' })}\n`, stderr)
})
