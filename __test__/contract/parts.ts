// Promises for every option except the range, where a transfer is possible.
import { closeSync, openSync, readSync } from 'node:fs'

import { type Progress, SendfileError, type SendfileOptions } from '../../index.ts'
import { KNOWS_POSITIONS } from '../fixtures/executor.ts'
import { sampleBytes, sampleFile } from '../fixtures/sample-file.ts'
import { within } from '../fixtures/within.ts'
import { pathTo, untried } from './paths.ts'
import { arrived, type Check, checkResult, empty, file, HEAD, put, send, SIZE, TAIL } from './scene.ts'

const MEBI = 2 ** 20
const small = sampleBytes(700, 7)
const smaller = sampleBytes(300, 8)
const big = sampleBytes(3 * MEBI + 1, 9)
const medium = sampleFile(3 * MEBI + 7, 10)

type Parts = Pick<SendfileOptions, 'headers' | 'trailers'>

/** Sends one range between headers and trailers: they arrive around it, and are not counted. */
function surrounded(parts: Parts, options: SendfileOptions, from: number, to: number, source = file): Check {
  return async (scene) => {
    const { t, kind, connect } = scene
    const bytes = source.bytes.subarray(from, to)
    const [before, after] = [parts.headers, parts.trailers].map((part) => Buffer.concat([part ?? []].flat()))
    if (before === undefined || after === undefined) return t.fail('two parts')
    const length = HEAD.length + before.length + bytes.length + after.length + TAIL.length
    const { destination, target, received } = await connect({ length })
    await put(target, HEAD)
    const way = bytes.length === 0 ? untried : pathTo
    const path = way(kind, scene.options.method, before.length + after.length > 0)
    const sending = send(destination, source.path, { ...options, ...parts, ...scene.options })
    if (!path.possible) {
      const error = await t.throwsAsync(within(sending, 'the refusal'), { code: 'ERR_SENDFILE_UNSUPPORTED' })
      return void t.is(Reflect.get(Object(error?.cause), 'code'), path.cause)
    }
    const result = await within(sending, 'the transfer')
    await put(target, TAIL)
    target.end()
    arrived(t, await within(received(), 'the end'), HEAD, before, bytes, after, TAIL)
    checkResult({ ...scene, path }, result, bytes.length, Number(options.offset ?? 0) + bytes.length)
  }
}

/** The transfer goes well with these options, and the right bytes arrive. */
function sends(options: SendfileOptions, count: number): Check {
  return async (scene) => {
    const { t, connect } = scene
    const { destination, target, received } = await connect({ length: count })
    const result = await within(send(destination, file.path, { ...options, count, ...scene.options }), 'the transfer')
    target.end()
    arrived(t, await within(received(), 'the end'), file.bytes.subarray(0, count))
    checkResult(scene, result, count, count, options.quantum)
  }
}

export const parts: Record<string, Check> = {
  'sends headers before the file': surrounded({ headers: small }, {}, 0, SIZE),
  'sends trailers after the file': surrounded({ trailers: small }, {}, 0, SIZE),
  'sends several headers and trailers around a range': surrounded(
    { headers: [small, smaller, Buffer.alloc(0)], trailers: [smaller, small] },
    { offset: 1000, count: 5000 },
    1000,
    6000,
  ),
  'sends headers and trailers if count is 0': surrounded(
    { headers: small, trailers: smaller },
    { offset: 5, count: 0 },
    5,
    5,
  ),
  'sends headers and trailers of an empty file': surrounded({ headers: small, trailers: [smaller] }, {}, 0, 0, empty),
  'sends large headers and trailers around a large file': surrounded(
    { headers: big, trailers: big },
    {},
    0,
    medium.bytes.length,
    medium,
  ),
  'sends nothing around the file if headers and trailers are empty': surrounded(
    { headers: [], trailers: new Uint8Array(0) },
    { count: 100 },
    0,
    100,
  ),

  'sends the right bytes at a rate': sends({ rate: 2 * MEBI, burst: 100_000 }, SIZE),
  'sends the right bytes with a small quantum': sends({ quantum: 1000 }, 50_500),
  'sends the right bytes with a stallTimeout': sends({ stallTimeout: 5000 }, SIZE),

  async 'sends headers and trailers around a range from the position of the source'(scene) {
    const { t, kind, connect, options } = scene
    const path = pathTo(kind, options.method, true)
    if (!path.possible) return void t.pass('refused as any other range with headers')
    const { destination, target, received } = await connect({ length: small.length + 1000 + smaller.length })
    const fd = openSync(file.path, 'r')
    try {
      t.is(readSync(fd, Buffer.alloc(11)), 11)
      const range = { offset: null, count: 1000, headers: small, trailers: smaller }
      const result = await within(send(destination, fd, { ...options, ...range }), 'the transfer')
      checkResult({ ...scene, path }, result, 1000, KNOWS_POSITIONS ? 1011 : 1000)
      target.end()
      arrived(t, await within(received(), 'the end'), small, file.bytes.subarray(11, 1011), smaller)
      const next = Buffer.alloc(5)
      t.is(readSync(fd, next), 5)
      t.deepEqual(next, file.bytes.subarray(1011, 1016))
    } finally {
      closeSync(fd)
    }
  },

  async 'reports its progress'(scene) {
    const { t, connect, options } = scene
    const { destination, target, received } = await connect({ length: medium.bytes.length, slow: true })
    const reported: Progress[] = []
    const report = { onProgress: (progress: Progress) => void reported.push(progress), progressInterval: 1 }
    const result = await within(send(destination, medium.path, { ...options, ...report }), 'the transfer')
    const calls = reported.length
    target.end()
    arrived(t, await within(received(), 'the end'), medium.bytes)
    const total = medium.bytes.length
    t.deepEqual(reported.at(-1), { bytesSent: total, total, method: result.method }, 'the last call has all bytes')
    const figures = reported.map(({ bytesSent }) => bytesSent)
    t.deepEqual(
      figures,
      figures.toSorted((a, b) => a - b),
      'it never goes back',
    )
    t.deepEqual([...new Set(reported.map(({ total }) => total))], [total])
    t.is(reported.length, calls, 'nothing is reported after the promise')
  },

  async 'waits for the acknowledgment where the kernel reports it'(scene) {
    const { t, path, connect, options } = scene
    const { destination, target, received } = await connect({ length: (path.inKernel ? SIZE : 0) + TAIL.length })
    const sending = within(send(destination, file.path, { ...options, until: 'acknowledged' }), 'the transfer')
    if (path.inKernel) {
      checkResult(scene, await sending, SIZE, SIZE)
    } else {
      const error = await t.throwsAsync(sending, { instanceOf: SendfileError, code: 'ERR_SENDFILE_UNSUPPORTED' })
      t.is(error?.bytesSent, 0)
    }
    await put(target, TAIL)
    target.end()
    arrived(t, await within(received(), 'the end'), path.inKernel ? file.bytes : Buffer.alloc(0), TAIL)
  },
}
