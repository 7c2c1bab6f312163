// Section 2.13 of the survey: cases that no other suite has. Each row tests a promise where the kernel alone would lose
// or reorder bytes or block. Cases that need their own process are in hazards-confined.spec.ts.
import fs from 'node:fs'
import { open, stat } from 'node:fs/promises'

import test from 'ava'

import { type Method, sendfile, SendfileError } from '../../index.ts'
import { collect } from '../fixtures/collect.ts'
import { connectedPair, type Scope } from '../fixtures/connected-pair.ts'
import { counting } from '../fixtures/counted.ts'
import { canForce } from '../fixtures/executor.ts'
import { Fifo } from '../fixtures/fifo.ts'
import { sampleBytes, sampleDirectory, sampleFile, writeSample } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { stalled } from '../fixtures/stalled.ts'
import { engineIdle } from '../fixtures/threads.ts'
import { lineOver, TRANSPORTS } from '../fixtures/transports.ts'
import { until, within } from '../fixtures/within.ts'

const counted = counting(test)

const PAGE = 4096
/** More than the buffers of a connection and of a pipe hold. */
const large = sampleFile(16 << 20, 13)

const METHODS: readonly Method[] = ['sendfile', 'splice', 'copy']

/* ---------------------------------------------------------------- a file that changes during the transfer */

for (const method of METHODS) {
  counted.by(method)(`2.13 A: a file truncated during the transfer rejects, by ${method}`, async (t, scope) => {
    const { path, bytes } = sampleFile(16 << 20, 14)
    const { near, far, received } = await connectedPair(scope, { reading: false })
    const sending = sendfile(near, path, { method, end: true })
    await stalled(near)
    fs.truncateSync(path, 0)
    far.resume()
    const error = await t.throwsAsync(within(sending, 'the end'), { instanceOf: SendfileError })
    t.like(error, { code: 'ERR_SENDFILE_TRUNCATED', path })
    near.end()
    await within(received.closed, 'the end of the connection')
    t.is(received.length, Number(error?.bytesSent), 'bytesSent is exact')
    t.true(received.length > 0 && received.length < bytes.length)
    t.is(sha256(received.bytes), sha256(bytes.subarray(0, received.length)))
  })
}

interface Unread {
  readonly name: string
  /** Sends one page before its reader starts, and returns the bytes read after `change`. */
  send(scope: Scope, path: string, method: Method, change: () => void): Promise<Buffer>
}

const unread: readonly Unread[] = [
  ...TRANSPORTS.map((transport) => ({
    name: transport,
    async send(scope: Scope, path: string, method: Method, change: () => void): Promise<Buffer> {
      const { near, arrived } = await lineOver(scope, transport)
      await sendfile(near, path, { method, end: true })
      change()
      return (await arrived()).bytes
    },
  })),
  {
    name: 'pipe',
    async send(scope, path, method, change) {
      const fifo = new Fifo(scope)
      await sendfile(fifo.writer, path, { method })
      change()
      return fifo.read()
    },
  },
]

// Documented behavior: the kernel sends pages, not copies (sendfile(2), NOTES). Files that are changed in place must be
// copied.
for (const { name, send } of unread) {
  counted(`2.13 B: a page truncated before it is read arrives with NULs, ${name}`, async (t, scope) => {
    const old = Buffer.alloc(PAGE, 'A')
    for (const [method, expected] of [
      ['sendfile', Buffer.alloc(PAGE).fill('A', 0, 2)],
      ['copy', old],
    ] as const) {
      if (!canForce(method)) continue
      const path = writeSample(old)
      const read = await send(scope, path, method, () => fs.truncateSync(path, 2))
      t.is(sha256(read), sha256(expected), method)
    }
  })

  counted(`2.13 C: a page overwritten before it is read arrives with the new bytes, ${name}`, async (t, scope) => {
    const [old, fresh] = [sampleBytes(PAGE, 15), sampleBytes(PAGE, 16)]
    for (const [method, expected] of [
      ['sendfile', fresh],
      ['copy', old],
    ] as const) {
      if (!canForce(method)) continue
      const path = writeSample(old)
      const read = await send(scope, path, method, () => fs.writeFileSync(path, fresh, { flag: 'r+' }))
      t.is(sha256(read), sha256(expected), method)
    }
  })
}

/* ---------------------------------------------------------------- numbers and pipes */

/** A file of the caller that reuses the number `fd`, which was just closed. */
function reuse(scope: Scope, fd: number, path: string, flags: 'r' | 'w+'): void {
  for (let opened = -1; opened !== fd;) {
    opened = fs.openSync(path, flags)
    if (opened > fd) throw new Error('the number is in use by another file')
    const mine = opened
    scope.teardown(() => fs.closeSync(mine))
  }
}

counted('2.13 D: another file that reuses the number of the destination receives no byte', async (t, scope) => {
  const fifo = new Fifo(scope)
  const sending = sendfile(fifo.writer, large.path)
  await engineIdle()
  const innocent = `${sampleDirectory()}/innocent`
  fifo.closeWriter()
  reuse(scope, fifo.writer, innocent, 'w+')
  const reader = fifo.stream()
  scope.teardown(() => reader.destroy())
  const received = within(collect(reader), 'the end of the pipe')
  t.like(await within(sending, 'the transfer'), { bytesSent: large.bytes.length })
  t.is(sha256((await received).bytes), sha256(large.bytes))
  t.is(fs.statSync(innocent).size, 0)
})

// Without the addon there is no duplicate of it.
counted.kernel('2.13 D: another file that reuses the number of the source is not sent', async (t, scope) => {
  const { near, far, received } = await connectedPair(scope, { reading: false })
  const fd = fs.openSync(large.path, 'r')
  const sending = sendfile(near, fd, { end: true })
  await stalled(near)
  fs.closeSync(fd)
  reuse(scope, fd, sampleFile(large.bytes.length, 17).path, 'r')
  far.resume()
  t.like(await within(sending, 'the transfer'), { bytesSent: large.bytes.length })
  await within(received.closed, 'the end')
  t.is(sha256(received.bytes), sha256(large.bytes))
})

for (const method of METHODS) {
  counted.by(method)(
    `2.13 F: a transfer of 8 MiB to a pipe without a reader uses no thread of the pool, by ${method}`,
    async (t, scope) => {
      const fifo = new Fifo(scope)
      const count = 8 << 20
      const sendings = [0, 1, 2, 3].map(() => sendfile(fifo.writer, large.path, { count: count / 4, method }))
      await engineIdle()
      const stats = await within(Promise.all([1, 2, 3, 4].map(() => stat(large.path))), 'four calls of fs.stat')
      t.deepEqual(new Set(stats.map(({ size }) => size)), new Set([large.bytes.length]))
      const reader = fifo.stream()
      scope.teardown(() => reader.destroy())
      const received = within(collect(reader), 'the end of the pipe')
      const sent = await within(Promise.all(sendings), 'the transfers')
      fifo.closeWriter()
      t.deepEqual([...new Set(sent.map((each) => each.method))], [method])
      const quarter = large.bytes.subarray(0, count / 4)
      t.is(sha256((await received).bytes), sha256(quarter, quarter, quarter, quarter))
    },
  )
}

/* ---------------------------------------------------------------- several transfers */

const ranges = [
  { offset: 5, count: 3 << 20 },
  { offset: 1, count: 77 },
  { offset: 1 << 20, count: 2 << 20 },
]
const inOrder = ranges.map(({ offset, count }) => large.bytes.subarray(offset, offset + count))

for (const transport of TRANSPORTS) {
  counted(`2.13 G: transfers to one socket run one after the other, ${transport}`, async (t, scope) => {
    const { near, arrived } = await lineOver(scope, transport)
    const sendings = ranges.map((range) => sendfile(near, large.path, range))
    const received = arrived()
    const sent = await within(Promise.all(sendings), 'the transfers')
    near.end()
    t.deepEqual(
      sent.map(({ bytesSent }) => bytesSent),
      ranges.map(({ count }) => count),
    )
    t.is(sha256((await received).bytes), sha256(...inOrder))
  })
}

counted('2.13 G: transfers to one number run one after the other, to a pipe and to a file', async (t, scope) => {
  const fifo = new Fifo(scope)
  const toPipe = ranges.map((range) => sendfile(fifo.writer, large.path, range))
  const reader = fifo.stream()
  scope.teardown(() => reader.destroy())
  const received = within(collect(reader), 'the end of the pipe')
  await within(Promise.all(toPipe), 'the transfers')
  fifo.closeWriter()
  t.is(sha256((await received).bytes), sha256(...inOrder))

  const target = `${sampleDirectory()}/one-number`
  const file = await open(target, 'w')
  scope.teardown(() => file.close())
  const toFile = ranges.map((range, index) => sendfile(index === 1 ? file.fd : file, large.path, range))
  await within(Promise.all(toFile), 'the transfers')
  t.is(sha256(fs.readFileSync(target)), sha256(...inOrder))
})

/** Size of each small transfer: together, more than the buffers of their connections hold. */
const SHARE = 100_000

// By the order of completions. The duration of a small one is measured by the benchmark.
counted('2.13 H: 200 small transfers complete before a large one that began first', async (t, scope) => {
  const huge = `${sampleDirectory()}/huge`
  fs.writeFileSync(huge, '')
  fs.truncateSync(huge, 1 << 28)
  scope.teardown(() => fs.unlinkSync(huge))
  const big = await connectedPair(scope, { reading: false })
  let drained = 0
  big.far.removeAllListeners('data') // it is not needed
  big.far.on('data', (chunk: Buffer) => {
    drained += chunk.length
  })
  big.far.resume()
  const lines = await Promise.all(Array.from({ length: 20 }, () => lineOver(scope, 'tcp')))
  const received = lines.map((line) => line.arrived())
  const order: string[] = []
  const first = sendfile(big.near, huge, { end: true }).then((result) => {
    order.push('large')
    return result
  })
  const each = async (): Promise<void> => {
    for (const { near } of lines) {
      await sendfile(near, large.path, { count: SHARE })
      order.push('small')
    }
  }
  await until(() => drained > 0, 'the first bytes of the large one')
  for (let round = 0; round < 10; round += 1) await within(each(), `round ${round}`)
  t.deepEqual([order.length, new Set(order)], [200, new Set(['small'])])
  t.like(await within(first, 'the large one', 60_000), { bytesSent: 1 << 28 })
  for (const { near } of lines) near.end()
  const parts = Array.from({ length: 10 }, () => large.bytes.subarray(0, SHARE))
  for (const { bytes } of await Promise.all(received)) t.is(sha256(bytes), sha256(...parts))
})
