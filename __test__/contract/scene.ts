// The input of every check of the contract: a destination, the expected method and the expected result.
import type { ExecutionContext } from 'ava'

import { sendfile, type SendfileOptions, type SendfileResult } from '../../index.ts'
import type { Collected } from '../fixtures/collect.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import type { Connection, Kind, Target, Wish } from './destinations.ts'
import type { MethodOption, Path } from './paths.ts'

export const HEAD = Buffer.from('what was written before')
export const TAIL = Buffer.from('what was written after')

/** More than one chunk of the portable executor, and not a multiple of one. */
export const SIZE = 300_001
export const file = sampleFile(SIZE)
export const empty = sampleFile(0)
/** More than the buffers of a connection on loopback hold. */
export const large = sampleFile(12 * 2 ** 20 + 5)

/** The input of one check. */
export interface Scene {
  readonly t: ExecutionContext
  readonly kind: Kind
  readonly path: Path
  readonly options: { readonly method: MethodOption }
  /** A destination, closed with the test. */
  connect(wish: Wish): Promise<Connection>
}

export type Check = (scene: Scene) => Promise<void>

/** A write of the test: a stream accepts it immediately, a number when the promise is fulfilled. */
export async function put(target: Target, chunk: Uint8Array): Promise<void> {
  await target.write(chunk)
}

/** The destination may be anything that has the three methods. */
export function send(destination: unknown, source: string | number, options: SendfileOptions): Promise<SendfileResult> {
  return Reflect.apply(sendfile, undefined, [destination, source, options])
}

export function arrived(t: ExecutionContext, collected: Collected, ...parts: readonly Uint8Array[]): void {
  if (collected.swallowed === true) return
  t.is(
    collected.bytes.length,
    parts.reduce((sum, { length }) => sum + length, 0),
  )
  t.is(sha256(collected.bytes), sha256(...parts))
  t.true(collected.ended, 'the other end has seen an orderly end')
}

export function checkResult(
  { t, path }: Scene,
  result: SendfileResult,
  bytesSent: number,
  offset: number,
  quantum = 2 ** 20,
): void {
  if (!path.possible) return t.fail('the transfer should not have been possible')
  t.deepEqual(Object.keys(result).toSorted(), [
    'bytesSent',
    'durationMs',
    'fallbacks',
    'method',
    'offset',
    'syscalls',
    'wouldBlock',
  ])
  t.is(result.bytesSent, bytesSent)
  t.is(result.offset, offset)
  checkMethod(t, path, result)
  checkCounts(t, path, result, bytesSent, quantum)
}

function checkMethod(t: ExecutionContext, path: Path & { possible: true }, result: SendfileResult): void {
  t.is(result.method, path.method)
  const steps = result.fallbacks.map(({ from, to, code }) => ({ from, to, code }))
  t.deepEqual(steps, path.fallbacks)
  for (const { reason } of result.fallbacks) t.regex(reason, /^\w.{10,}/, 'a sentence says why')
}

function checkCounts(
  t: ExecutionContext,
  path: Path & { possible: true },
  result: SendfileResult,
  bytes: number,
  quantum: number,
): void {
  const { syscalls, wouldBlock, durationMs } = result
  t.true(Number.isInteger(wouldBlock) && wouldBlock >= 0)
  t.true(Number.isInteger(syscalls))
  t.true(Number.isFinite(durationMs) && durationMs >= 0)
  // A copy makes two calls for each attempt.
  const attempts = Math.ceil(bytes / quantum) * (path.method === 'copy' ? 2 : 1)
  if (path.inKernel) t.true(syscalls >= attempts, `${syscalls} system calls for ${bytes} bytes`)
  else t.is(syscalls, 0, 'JavaScript has moved the bytes')
}
