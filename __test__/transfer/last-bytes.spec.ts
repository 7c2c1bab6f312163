// The last bytes of a transfer must not be held back on a connection that stays open without further bytes. TCP_CORK
// and MSG_MORE hold them for 200 ms (tcp(7)), a lost MSG_MORE for longer.
import { existsSync, readFileSync, truncateSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'

import { sendfile, type SendfileOptions } from '../../index.ts'
import { connectedPair } from '../fixtures/connected-pair.ts'
import { endingOf } from '../fixtures/ending.ts'
import { canForce } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { within } from '../fixtures/within.ts'

/** Half of the delay; bytes that are held back are delayed in every round. */
const AT_ONCE_MS = 100
const ROUNDS = 5

const SIZE = 1_000_003
const CUT = 5_000_003
const headers = Buffer.alloc(300, 'h')

interface Case {
  readonly name: string
  readonly method?: 'auto' | 'splice' | 'copy'
  readonly code?: string
  /** The file, the options, and the expected bytes. */
  prepare(): { path: string; options?: SendfileOptions; expected: Uint8Array }
}

const madeUp = ['/proc/version', '/proc/cpuinfo', '/sys/class/net/lo/address'].filter((path) => existsSync(path))

const cases: readonly Case[] = [
  ...[SIZE, 700].flatMap((size) =>
    (['auto', 'splice', 'copy'] as const).map((method): Case => ({
      name: `a count beyond ${size} bytes, ${method}`,
      method,
      code: 'ERR_SENDFILE_TRUNCATED',
      prepare() {
        const { path, bytes } = sampleFile(size)
        return { path, options: { count: size + 5000, method }, expected: bytes }
      },
    })),
  ),
  ...madeUp.map((path): Case => ({ name: path, prepare: () => ({ path, expected: readFileSync(path) }) })),
  {
    name: 'a file that is truncated while it is sent',
    code: 'ERR_SENDFILE_TRUNCATED',
    prepare() {
      const { path, bytes } = sampleFile(8 << 20)
      const onProgress = (): void => truncateSync(path, CUT)
      const options = { rate: 64 << 20, burst: 1 << 20, progressInterval: 1, onProgress }
      return { path, options, expected: bytes.subarray(0, CUT) }
    },
  },
  {
    name: 'headers and an empty file',
    prepare: () => ({ path: sampleFile(0).path, options: { headers }, expected: headers }),
  },
]

/** Milliseconds from the end of the transfer to the arrival of the last byte. */
async function lateness(t: ExecutionContext, { code, prepare }: Case): Promise<number> {
  const { near, far, received, close } = await connectedPair(t)
  near.setNoDelay(true)
  far.setNoDelay(true)
  const { path, options, expected } = prepare()
  const { code: found, bytesSent } = await endingOf(sendfile(near, path, options))
  const settled = performance.now()
  await within(received.reaches(expected.length), 'the last byte')
  const late = performance.now() - settled
  t.is(found, code)
  t.is(bytesSent + (options?.headers === undefined ? 0 : headers.length), expected.length)
  t.is(sha256(received.bytes), sha256(expected))
  close()
  return late
}

for (const one of cases) {
  const declare = canForce(one.method ?? 'auto') ? test.serial : test.serial.skip
  declare(`${one.name}: the last byte is not held back`, async (t) => {
    const all: number[] = []
    for (let round = 0; round < ROUNDS; round += 1) all.push(await lateness(t, one))
    t.true(Math.min(...all) < AT_ONCE_MS, `${all.map(Math.round).join(', ')} ms`)
  })
}

test.serial('headers are not held back while the rate delays the file', async (t) => {
  const all: number[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const { near, received, close } = await connectedPair(t)
    const controller = new AbortController()
    const options = { headers, rate: 100, burst: 1, signal: controller.signal }
    const called = performance.now()
    const ending = endingOf(sendfile(near, sampleFile(10_000).path, options))
    await within(received.reaches(headers.length), 'the headers')
    all.push(performance.now() - called)
    controller.abort()
    const { code, bytesSent } = await ending
    t.is(code, 'ABORT_ERR')
    t.true(bytesSent < 100, `${bytesSent} bytes`)
    close()
  }
  t.true(Math.min(...all) < AT_ONCE_MS, `${all.map(Math.round).join(', ')} ms`)
})

test.serial('bytes sent before an abort in the same tick are not held back', async (t) => {
  const file = sampleFile(48 << 20)
  const all: number[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const { near, received, close } = await connectedPair(t)
    const controller = new AbortController()
    const ending = endingOf(sendfile(near, file.path, { headers, signal: controller.signal }))
    controller.abort()
    const { code, bytesSent } = await ending
    t.is(code, 'ABORT_ERR')
    const settled = performance.now()
    await within(received.reaches(bytesSent === 0 ? 0 : headers.length + bytesSent), 'the last byte')
    all.push(performance.now() - settled)
    near.end()
    await within(received.closed, 'the end')
    const whole = Buffer.concat([headers, file.bytes.subarray(0, bytesSent)])
    t.is(sha256(received.bytes), sha256(received.length === 0 && bytesSent === 0 ? Buffer.alloc(0) : whole))
    close()
  }
  t.true(Math.min(...all) < AT_ONCE_MS, `${all.map(Math.round).join(', ')} ms`)
})
