// A number, FileHandle or position keeps the meaning it had at the call, however long the transfer waits.
import { closeSync, fstatSync, openSync, readFileSync, readSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { Writable } from 'node:stream'

import test, { type ExecutionContext } from 'ava'

import { sendfile } from '../../index.ts'
import { connectedPair } from '../fixtures/connected-pair.ts'
import { descriptorsOf } from '../fixtures/descriptors.ts'
import { kernelSerial } from '../fixtures/executor.ts'
import { Fifo } from '../fixtures/fifo.ts'
import { sampleFile, writeSample } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { tlsPair } from '../fixtures/socket-pair.ts'
import { until, within } from '../fixtures/within.ts'

const first = sampleFile(2 ** 20, 1)
const named = sampleFile(100_000, 2)
const other = sampleFile(100_000, 3)

/** Opens a file under a number that has just been closed; numbers below it may be free as well. */
function useAgain(t: ExecutionContext, fd: number, path: string, flags: string): void {
  let last = -1
  while (last < fd) {
    const opened = openSync(path, flags)
    t.teardown(() => closeSync(opened))
    last = opened
  }
  t.is(last, fd, 'the number is used again')
}

/** A destination that is busy with another transfer, and the bytes that it received. */
interface Busy {
  readonly destination: Parameters<typeof sendfile>[0]
  /** Everything that has arrived. */
  bytes(): Promise<Buffer>
}

const DESTINATIONS: Record<string, (t: ExecutionContext) => Promise<Busy>> = {
  async socket(t) {
    const { near, received } = await connectedPair(t)
    const bytes = async (): Promise<Buffer> => {
      near.end()
      await within(received.closed, 'the end')
      return received.bytes
    }
    return { destination: near, bytes }
  },
  async 'TLS socket'(t) {
    const { near, far, close } = await tlsPair()
    t.teardown(close)
    const chunks: Buffer[] = []
    const peer = await far
    peer.on('data', (chunk) => chunks.push(chunk))
    const bytes = async (): Promise<Buffer> => {
      near.end()
      await within(new Promise((ended) => peer.once('end', ended)), 'the end')
      return Buffer.concat(chunks)
    }
    return { destination: near, bytes }
  },
  async Writable() {
    const chunks: Buffer[] = []
    const write = (chunk: Buffer, _encoding: unknown, callback: () => void): void => {
      chunks.push(Buffer.from(chunk))
      setImmediate(callback)
    }
    return { destination: new Writable({ write }), bytes: async () => Buffer.concat(chunks) }
  },
  async 'descriptor of a file'(t) {
    const path = writeSample(Buffer.alloc(0))
    const fd = openSync(path, 'r+')
    t.teardown(() => closeSync(fd))
    return { destination: fd, bytes: async () => readFileSync(path) }
  },
}

for (const [name, make] of Object.entries(DESTINATIONS)) {
  test.serial(
    `${name}: the named file is sent if its number is closed and reused while the transfer waits`,
    async (t) => {
      const { destination, bytes } = await make(t)
      const before = sendfile(destination, first.path)
      const fd = openSync(named.path, 'r')
      const queued = sendfile(destination, fd)
      closeSync(fd)
      useAgain(t, fd, other.path, 'r')
      const [, result] = await within(Promise.all([before, queued]), 'the transfers')
      t.is(result.bytesSent, named.bytes.length)
      t.is(sha256(await bytes()), sha256(first.bytes, named.bytes))
    },
  )

  test.serial(`${name}: the named file is sent if its FileHandle is closed while the transfer waits`, async (t) => {
    const { destination, bytes } = await make(t)
    const before = sendfile(destination, first.path)
    const handle = await open(named.path)
    const queued = sendfile(destination, handle, { offset: 10, count: 1000 })
    await handle.close()
    await within(Promise.all([before, queued]), 'the transfers')
    t.is(sha256(await bytes()), sha256(first.bytes, named.bytes.subarray(10, 1010)))
  })

  test.serial(`${name}: a transfer that is aborted while it waits leaves nothing open`, async (t) => {
    const { destination, bytes } = await make(t)
    const fd = openSync(named.path, 'r')
    t.teardown(() => closeSync(fd))
    const open = descriptorsOf(named.path)
    const before = sendfile(destination, first.path)
    const controller = new AbortController()
    const queued = [0, 1, 2].map(() => sendfile(destination, fd, { signal: controller.signal }))
    controller.abort()
    for (const one of queued) await t.throwsAsync(within(one, 'the rejection'), { code: 'ABORT_ERR' })
    await within(before, 'the transfer before')
    await until(() => descriptorsOf(named.path) === open, 'every duplicate is closed')
    t.is(sha256(await bytes()), sha256(first.bytes))
  })

  // Without the addon, a thread opens the file of the previous transfer, which may get the number.
  kernelSerial(`${name}: a number that is not open is refused, also for a queued transfer`, async (t) => {
    const { destination } = await make(t)
    const before = sendfile(destination, first.path)
    const closed = openSync(named.path, 'r')
    closeSync(closed)
    await t.throwsAsync(within(sendfile(destination, closed), 'the rejection'), { code: 'EBADF' })
    await within(before, 'the transfer before')
  })
}

test.serial('the position of the source is read at the turn of the transfer, in the named file', async (t) => {
  const { near, received } = await connectedPair(t)
  const fd = openSync(named.path, 'r')
  t.teardown(() => closeSync(fd))
  near.write(first.bytes)
  const queued = [0, 1].map(() => sendfile(near, fd, { offset: null, count: 1000 }))
  await within(Promise.all(queued), 'the transfers')
  near.end()
  await within(received.closed, 'the end')
  t.is(sha256(received.bytes), sha256(first.bytes, named.bytes.subarray(0, 2000)))
  t.is(readSync(fd, Buffer.alloc(named.bytes.length)), named.bytes.length - 2000)
})

test.serial('a transfer that is aborted while it waits reports the position of the source', async (t) => {
  for (const make of [DESTINATIONS.Writable, DESTINATIONS['descriptor of a file']]) {
    if (make === undefined) throw new TypeError('no such destination')
    const { destination } = await make(t)
    const fd = openSync(named.path, 'r')
    t.teardown(() => closeSync(fd))
    readSync(fd, Buffer.alloc(7))
    const before = sendfile(destination, first.path)
    const controller = new AbortController()
    const queued = sendfile(destination, fd, { offset: null, signal: controller.signal })
    controller.abort()
    const error = await t.throwsAsync(within(queued, 'the rejection'), { code: 'ABORT_ERR' })
    t.is(Reflect.get(error, 'offset'), 7)
    await within(before, 'the transfer before')
  }
})

kernelSerial('a reused number does not wait for a transfer to the file that had it before', async (t) => {
  const full = new Fifo(t)
  const stuck = sendfile(full.writer, first.path)
  const target = writeSample(Buffer.alloc(0))
  full.closeWriter()
  const fd = full.writer
  useAgain(t, fd, target, 'r+')
  const { bytesSent } = await within(sendfile(fd, named.path), 'a transfer to another file')
  t.is(bytesSent, named.bytes.length)
  t.is(sha256(readFileSync(target)), sha256(named.bytes))
  full.closeReader()
  await t.throwsAsync(within(stuck, 'the end of the other one'), { code: 'EPIPE' })
})

test.serial('transfers to two numbers of one open file are queued', async (t) => {
  const path = writeSample(Buffer.alloc(0))
  const [one, two] = [openSync(path, 'a'), openSync(path, 'a')]
  t.teardown(() => [one, two].forEach((fd) => closeSync(fd)))
  await within(Promise.all([sendfile(one, first.path), sendfile(two, named.path)]), 'the transfers')
  t.is(sha256(readFileSync(path)), sha256(first.bytes, named.bytes))
})

kernelSerial('`end` closes no other file that has reused the number', async (t) => {
  const fd = openSync(writeSample(Buffer.alloc(0)), 'r+')
  const before = sendfile(fd, first.path)
  const ending = sendfile(fd, named.path, { end: true })
  closeSync(fd)
  useAgain(t, fd, other.path, 'r')
  await within(before, 'the transfer before')
  await t.throwsAsync(within(ending, 'the rejection'), { code: 'EBADF' })
  t.is(fstatSync(fd).ino, statSync(other.path).ino)
})
