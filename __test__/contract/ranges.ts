// Promises for transfers that are possible.
import { closeSync, openSync, readSync } from 'node:fs'

import type { SendfileOptions } from '../../index.ts'
import { KNOWS_POSITIONS } from '../fixtures/executor.ts'
import { within } from '../fixtures/within.ts'
import { untried } from './paths.ts'
import { arrived, type Check, checkResult, empty, file, HEAD, large, put, send, SIZE, TAIL } from './scene.ts'

/** Sends one range between two writes, and checks everything. */
export function range(options: SendfileOptions, from: number, to: number, source = file): Check {
  return async (scene) => {
    const { t, connect } = scene
    const bytes = source.bytes.subarray(from, to)
    const { destination, target, received } = await connect({ length: HEAD.length + bytes.length + TAIL.length })
    await put(target, HEAD)
    const result = await send(destination, source.path, { ...options, ...scene.options })
    await put(target, TAIL)
    target.end()
    arrived(t, await within(received(), 'the end'), HEAD, bytes, TAIL)
    const path = bytes.length === 0 ? untried(scene.kind, scene.options.method) : scene.path
    checkResult({ ...scene, path }, result, bytes.length, Number(options.offset ?? 0) + bytes.length)
  }
}

/** Writes to a stream during the transfer wait. */
export const streamRanges: Record<string, Check> = {
  async 'holds back bytes written while it runs'(scene) {
    const { t, connect, options } = scene
    const { destination, target, received } = await connect({ length: HEAD.length + SIZE + TAIL.length })
    target.write(HEAD)
    const sending = send(destination, file.path, options)
    target.write(TAIL)
    target.end()
    checkResult(scene, await within(sending, 'the transfer'), SIZE, SIZE)
    arrived(t, await within(received(), 'the end'), HEAD, file.bytes, TAIL)
  },
}

/** For destinations that may be closed. */
export const endings: Record<string, Check> = {
  async 'ends the destination with `end`'(scene) {
    const { t, connect, options } = scene
    const { destination, received, isEnded } = await connect({ length: SIZE })
    t.false(isEnded())
    const result = await send(destination, file.path, { ...options, end: true })
    t.true(isEnded())
    arrived(t, await within(received(), 'the end'), file.bytes)
    checkResult(scene, result, SIZE, SIZE)
  },
}

export const ranges: Record<string, Check> = {
  'sends the whole file between the bytes written before and after': range({}, 0, SIZE),
  'sends from an offset': range({ offset: 70_001 }, 70_001, SIZE),
  'sends from a bigint offset': range({ offset: 70_001n }, 70_001, SIZE),
  'sends `count` bytes': range({ count: 123_457 }, 0, 123_457),
  'sends a range': range({ offset: 99_999, count: 100_000n }, 99_999, 199_999),
  'sends the last byte': range({ offset: SIZE - 1 }, SIZE - 1, SIZE),
  'sends nothing from the end of the file': range({ offset: SIZE }, SIZE, SIZE),
  'sends nothing from beyond the end of the file': range({ offset: SIZE + 4096 }, SIZE, SIZE),
  'sends nothing if count is 0': range({ offset: 5, count: 0 }, 5, 5),
  'sends nothing of an empty file': range({}, 0, 0, empty),

  async 'runs two transfers one after the other'(scene) {
    const { t, kind, connect, options } = scene
    const { destination, target, received } = await connect({ length: SIZE + 100 + TAIL.length })
    const range = { ...options, offset: 100, count: 100 }
    const both = [send(destination, file.path, options), send(destination, file.path, range)]
    if (kind.isDescriptor !== true) target.write(TAIL)
    const [first, second] = await within(Promise.all(both), 'both transfers')
    if (kind.isDescriptor === true) await put(target, TAIL)
    target.end()
    arrived(t, await within(received(), 'the end'), file.bytes, file.bytes.subarray(100, 200), TAIL)
    if (first === undefined || second === undefined) return t.fail('there are two results')
    checkResult(scene, first, SIZE, SIZE)
    checkResult(scene, second, 100, 200)
  },

  async 'can be used again after it has settled'(scene) {
    const { t, connect, options } = scene
    const { destination, target, received } = await connect({ length: 2 * SIZE })
    checkResult(scene, await send(destination, file.path, options), SIZE, SIZE)
    checkResult(scene, await send(destination, file.path, options), SIZE, SIZE)
    target.end()
    arrived(t, await within(received(), 'the end'), file.bytes, file.bytes)
  },

  async 'leaves the destination open without `end`'({ t, connect, options }) {
    const { destination, target, received, isEnded } = await connect({ length: SIZE })
    await send(destination, file.path, { ...options, end: false })
    t.false(isEnded())
    target.end()
    arrived(t, await within(received(), 'the end'), file.bytes)
  },

  async 'returns byte counts as bigint with `bigint`'({ t, connect, options }) {
    const { destination, target, received } = await connect({ length: 1000 })
    const result: unknown = await send(destination, file.path, { ...options, offset: 7n, count: 1000, bigint: true })
    target.end()
    t.like(result, { bytesSent: 1000n, offset: 1007n })
    arrived(t, await within(received(), 'the end'), file.bytes.subarray(7, 1007))
  },

  async 'uses and moves the position of the source with offset null'(scene) {
    const { t, connect, options } = scene
    const { destination, target, received } = await connect({ length: 200_000 })
    const fd = openSync(file.path, 'r')
    try {
      t.is(readSync(fd, Buffer.alloc(11)), 11)
      const result = await send(destination, fd, { ...options, offset: null, count: 200_000 })
      // If the position is unknown, the offset counts from it.
      checkResult(scene, result, 200_000, KNOWS_POSITIONS ? 200_011 : 200_000)
      target.end()
      arrived(t, await within(received(), 'the end'), file.bytes.subarray(11, 200_011))
      const next = Buffer.alloc(5)
      t.is(readSync(fd, next), 5)
      t.deepEqual(next, file.bytes.subarray(200_011, 200_016))
    } finally {
      closeSync(fd)
    }
  },

  async 'sends the rest of the file from its position with offset null'({ t, connect, options }) {
    const { destination, target, received } = await connect({ length: SIZE - 11 })
    const fd = openSync(file.path, 'r')
    try {
      t.is(readSync(fd, Buffer.alloc(11)), 11)
      const { bytesSent } = await send(destination, fd, { ...options, offset: null })
      t.is(bytesSent, SIZE - 11)
      target.end()
      arrived(t, await within(received(), 'the end'), file.bytes.subarray(11))
      t.is(readSync(fd, Buffer.alloc(1)), 0)
    } finally {
      closeSync(fd)
    }
  },

  async 'leaves the position of the source unchanged with an offset'({ t, connect, options }) {
    const { destination, target, received } = await connect({ length: 10 })
    const fd = openSync(file.path, 'r')
    try {
      await send(destination, fd, { ...options, offset: 40, count: 10 })
      target.end()
      arrived(t, await within(received(), 'the end'), file.bytes.subarray(40, 50))
      const next = Buffer.alloc(5)
      t.is(readSync(fd, next), 5)
      t.deepEqual(next, file.bytes.subarray(0, 5))
    } finally {
      closeSync(fd)
    }
  },

  async 'sends a large file to a slow reader'(scene) {
    const { t, connect, options } = scene
    const { destination, target, received } = await connect({ length: large.bytes.length, slow: true })
    const result = await within(send(destination, large.path, options), 'the transfer', 25_000)
    target.end()
    checkResult(scene, result, large.bytes.length, large.bytes.length)
    arrived(t, await within(received(), 'the end'), large.bytes)
  },
}
