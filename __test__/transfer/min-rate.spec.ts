import { writeSync } from 'node:fs'
import type net from 'node:net'
import { Writable } from 'node:stream'

import test, { type ExecutionContext } from 'ava'

import { RateLimiter, sendfile, SendfileError } from '../../index.ts'
import { connectedPair } from '../fixtures/connected-pair.ts'
import { Fifo } from '../fixtures/fifo.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { tlsPair } from '../fixtures/socket-pair.ts'
import { within } from '../fixtures/within.ts'

const MEBI = 2 ** 20
/** More than the buffers of a connection on loopback hold. */
const file = sampleFile(24 * MEBI)
const LEAST = { minRate: 4 * MEBI, minRateWindow: 400 }

/** Reads a few bytes every 10 ms, like a client that holds a connection on purpose. */
function trickle(t: ExecutionContext, socket: net.Socket, bytes: number): void {
  const timer = setInterval(() => void socket.read(bytes), 10)
  t.teardown(() => clearInterval(timer))
}

async function stalled(t: ExecutionContext, sending: Promise<unknown>): Promise<void> {
  const error = await t.throwsAsync(within(sending, 'the stall'), { instanceOf: SendfileError })
  t.is(error?.code, 'ERR_SENDFILE_STALLED')
  t.regex(error?.message ?? '', /fewer than 4194304 bytes per second over 400 ms/)
  t.true(Number(error?.bytesSent) < file.bytes.length)
}

test('a client that reads a few bytes occasionally is rejected; stallTimeout alone would wait', async (t) => {
  const { near, far } = await connectedPair(t, { reading: false })
  far.removeAllListeners('data')
  trickle(t, far, 1000)
  await stalled(t, sendfile(near, file.path, { ...LEAST, stallTimeout: 60_000 }))
})

test('such a client is rejected also over TLS, where JavaScript moves the bytes', async (t) => {
  const { near, far, close } = await tlsPair()
  t.teardown(close)
  trickle(t, await far, 1000)
  await stalled(t, sendfile(near, file.path, LEAST))
})

test('a Writable that delays each chunk is rejected', async (t) => {
  const slow = new Writable({ write: (_chunk, _encoding, callback) => void setTimeout(callback, 100) })
  await stalled(t, sendfile(slow, file.path, LEAST))
})

test('a client that keeps the rate receives everything', async (t) => {
  const { near, far, received } = await connectedPair(t, { reading: false })
  const least = { minRate: 1000, minRateWindow: 300 }
  // Reads during several windows at many times the rate: on a busy machine a read may be late.
  trickle(t, far, MEBI / 4)
  const { bytesSent } = await within(sendfile(near, file.path, least), 'the transfer')
  far.resume()
  near.end()
  await within(received.closed, 'the end')
  t.is(bytesSent, received.length)
})

test('time spent waiting for `rate` does not count', async (t) => {
  const { near } = await connectedPair(t)
  const limited = { minRate: MEBI, minRateWindow: 100, count: 60_000 }
  const own = sendfile(near, file.path, { ...limited, rate: 100_000, burst: 1 })
  t.is((await within(own, 'a rate of its own')).bytesSent, 60_000)
  const rate = new RateLimiter({ rate: 100_000, burst: 1 })
  t.is((await within(sendfile(near, file.path, { ...limited, rate }), 'a shared rate')).bytesSent, 60_000)
  const slow = new Writable({ write: (_chunk, _encoding, callback) => setImmediate(callback) })
  t.is((await within(sendfile(slow, file.path, { ...limited, rate }), 'a copy')).bytesSent, 60_000)
})

test('time spent waiting for a slow source does not count', async (t) => {
  const { near, received } = await connectedPair(t)
  const fifo = new Fifo(t)
  const limits = { minRate: MEBI, minRateWindow: 80 }
  const transfer = sendfile(near, fifo.reader, { ...limits, count: 10 })
  for (let byte = 0; byte < 10; byte += 1) {
    writeSync(fifo.writer, 'x')
    await within(received.reaches(byte + 1), 'the byte')
    await new Promise((resolve) => {
      setTimeout(resolve, 30) // a slow source needs time
    })
  }
  t.is((await within(transfer, 'the transfer')).bytesSent, 10)
})

test('bad arguments are refused', async (t) => {
  const { near } = await connectedPair(t)
  for (const [options, code] of [
    [{ minRate: -1 }, 'ERR_OUT_OF_RANGE'],
    [{ minRate: 1, minRateWindow: 0 }, 'ERR_OUT_OF_RANGE'],
    [{ minRate: '1' }, 'ERR_INVALID_ARG_TYPE'],
  ] as const) {
    await t.throwsAsync(Reflect.apply(sendfile, undefined, [near, '/missing', options]), { code })
  }
})
