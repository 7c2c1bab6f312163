// CPython, Lib/test/test_asyncio/test_sendfile.py: peers that leave during loop.sendfile() and loop.sock_sendfile().
import { once } from 'node:events'
import test from 'ava'

import { sendfile, type SendfileOptions } from '../../index.ts'
import { endingOf } from '../fixtures/ending.ts'
import { canForce, IN_KERNEL } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { stalled } from '../fixtures/stalled.ts'
import { warmEngine } from '../fixtures/warm-engine.ts'
import { within } from '../fixtures/within.ts'
import { handleFd, opened, positionOf } from './fixtures/descriptor.ts'
import { line, type Transport } from './fixtures/line.ts'
import { tidy } from './fixtures/tidy.ts'

const SIZE = 256 * 1024 + 1
const file = sampleFile(SIZE)
/** More than a connection on loopback holds while its peer does not read; the origin shrinks SO_SNDBUF instead. */
const large = sampleFile(24 * 2 ** 20 + 1)

test.before(warmEngine)

for (const [title, transport] of [
  ['CPython asyncio 26: a peer may close after it has received everything', 'tcp'],
  ['CPython asyncio 27: a TLS peer may close after it has received everything', 'tls'],
] as const) {
  test.serial(
    title,
    tidy(async (t, closing) => {
      const { near, far } = await line(closing, transport)
      let received = 0
      const closed = once(far, 'close')
      far.on('data', (chunk: Buffer) => {
        received += chunk.length
        if (received === SIZE) far.destroy()
      })
      far.resume()
      near.on('error', () => {})
      t.is((await within(sendfile(near, file.path), 'the transfer')).bytesSent, SIZE)
      await within(closed, 'the end of the peer')
      t.is(received, SIZE)
    }),
  )
}

interface Leaving {
  readonly title: string
  readonly to: 'socket' | 'number'
  readonly transport: Transport
  readonly options?: SendfileOptions
}

const LEAVING: readonly Leaving[] = [
  {
    title: 'CPython asyncio 28: a peer that closes in the middle rejects the transfer',
    to: 'socket',
    transport: 'tcp',
  },
  {
    title: 'CPython asyncio 28: a peer that closes in the middle rejects the transfer to the number of the socket',
    to: 'number',
    transport: 'tcp',
  },
  {
    title: 'CPython asyncio 28: a peer that closes in the middle rejects a splice through a pipe',
    to: 'socket',
    transport: 'tcp',
    options: { method: 'splice' },
  },
  {
    title: 'CPython asyncio 29: a peer that closes in the middle rejects a copy',
    to: 'socket',
    transport: 'tcp',
    options: { method: 'copy' },
  },
  {
    title: 'CPython asyncio 29: a TLS peer that closes in the middle rejects the transfer',
    to: 'socket',
    transport: 'tls',
  },
]

for (const { title, to, transport, options = {} } of LEAVING) {
  const declare = canForce(options.method ?? 'auto') && (to === 'socket' || IN_KERNEL) ? test.serial : test.serial.skip
  declare(
    title,
    tidy(async (t, closing) => {
      const { near, far } = await line(closing, transport)
      const errors: unknown[] = []
      near.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code))
      const source = opened(closing, large.path)
      const destination = to === 'number' ? handleFd(near) : near
      const ending = endingOf(sendfile(destination, source, { ...options, offset: null }))
      await stalled(near)
      far.destroy() // with unread bytes: a reset
      const { code, bytesSent, offset } = await ending
      t.true(['EPIPE', 'ECONNRESET'].includes(String(code)), String(code))
      t.true(bytesSent >= 1024 && bytesSent < large.bytes.length, `${bytesSent} bytes`)
      t.is(offset, bytesSent)
      t.is(positionOf(source), bytesSent)
      if (!near.destroyed) await within(once(near, 'close'), 'the end of the socket')
      t.true(near.destroyed)
    }),
  )
}
