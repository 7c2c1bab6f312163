// CPython, Lib/test/test_asyncio/test_sendfile.py: loop.sock_sendfile(), which is sendfile() to the number of a socket
// here, and loop.sendfile(), which is sendfile() to a net.Socket.
//
// file.tell() of the origin is the position of a descriptor with offset null; a numeric offset does not change it.
import dgram from 'node:dgram'
import { once } from 'node:events'
import { readSync, writeSync } from 'node:fs'
import test from 'ava'

import { sendfile, SendfileError } from '../../index.ts'
import { run } from '../fixtures/child-process.ts'
import { FALLBACK_CODES, fallbackCode, IN_KERNEL, kernelSerial, METHOD } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { stalled } from '../fixtures/stalled.ts'
import { warmEngine } from '../fixtures/warm-engine.ts'
import { within } from '../fixtures/within.ts'
import { handleFd, numbered, opened, positionOf } from './fixtures/descriptor.ts'
import { line, type Transport } from './fixtures/line.ts'
import { tidy } from './fixtures/tidy.ts'

const SIZE = 256 * 1024 + 1
const file = sampleFile(SIZE)
/** More than a connection on loopback holds while its peer does not read; the origin shrinks SO_SNDBUF instead. */
const large = sampleFile(24 * 2 ** 20 + 1)
const BEFORE = Buffer.from('before '.repeat(100))
const AFTER = Buffer.from(' after'.repeat(100))

test.before(warmEngine)

/* ---------------------------------------------------------------- sock_sendfile */

test.serial(
  'CPython asyncio 12: the whole file is sent, and its position is at the end',
  tidy(async (t, closing) => {
    const { near, rest } = await line(closing)
    const source = opened(closing, file.path)
    const result = await within(sendfile(numbered(near), source, { offset: null }), 'the transfer')
    t.like(result, { bytesSent: SIZE, offset: SIZE, method: METHOD })
    t.is(positionOf(source), SIZE)
    t.is(sha256(await rest()), sha256(file.bytes))
  }),
)

// asyncio always moves the position; api.md: only with offset null.
test.serial(
  'CPython asyncio 13: 2000 bytes from offset 1000 are sent, by `offset` and by the position',
  tidy(async (t, closing) => {
    const { near, rest } = await line(closing)
    const source = opened(closing, file.path)
    const range = { bytesSent: 2000, offset: 3000 }
    t.like(await within(sendfile(numbered(near), source, { offset: 1000, count: 2000 }), 'the transfer'), range)
    t.is(positionOf(source), 0)
    readSync(source, Buffer.alloc(1000))
    t.like(await within(sendfile(numbered(near), source, { offset: null, count: 2000 }), 'the transfer'), range)
    t.is(positionOf(source), 3000)
    const slice = file.bytes.subarray(1000, 3000)
    t.is(sha256(await rest()), sha256(slice, slice))
  }),
)

test.serial(
  'CPython asyncio 14: an empty file sends 0 bytes',
  tidy(async (t, closing) => {
    const { near, rest } = await line(closing)
    const source = opened(closing, sampleFile(0).path)
    for (const destination of [numbered(near), near]) {
      const result = await within(sendfile(destination, source, { offset: null }), 'the transfer')
      t.like(result, { bytesSent: 0, offset: 0 })
    }
    t.is(positionOf(source), 0)
    t.is((await rest()).length, 0)
  }),
)

// By the socket, 22 is the same.
kernelSerial(
  'CPython asyncio 15: bytes sent before and after the file keep their place',
  tidy(async (t, closing) => {
    const { near, rest } = await line(closing)
    const fd = handleFd(near)
    t.is(writeSync(fd, BEFORE), BEFORE.length)
    t.is((await within(sendfile(fd, file.path), 'the transfer')).bytesSent, SIZE)
    t.is(writeSync(fd, AFTER), AFTER.length)
    t.is(sha256(await rest()), sha256(BEFORE, file.bytes, AFTER))
  }),
)

/* ---------------------------------------------------------------- sendfile: refusals */

test.serial(
  'CPython asyncio 16: a datagram socket is refused, as an object and as a number',
  tidy(async (t, closing) => {
    const socket = dgram.createSocket('udp4')
    closing.teardown(() => once(socket.close(), 'close'))
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    const source = opened(closing, file.path)
    for (const [destination, code] of [
      [socket, 'ERR_SENDFILE_DESTINATION'],
      // JavaScript cannot find out more about the number of a socket
      [handleFd(socket), IN_KERNEL ? 'ERR_SENDFILE_DESTINATION' : 'ERR_SENDFILE_UNSUPPORTED'],
    ] as const) {
      const refused = Reflect.apply(sendfile, undefined, [destination, source, { offset: null }])
      const error = await t.throwsAsync(within(Promise.resolve(refused), 'the refusal'), { instanceOf: SendfileError })
      t.like(error, { code, bytesSent: 0, offset: 0 })
    }
    t.is(positionOf(source), 0)
  }),
)

test.serial(
  'CPython asyncio 18: without sendfile(2) in the kernel, everything is copied',
  tidy(async (t, closing) => {
    const child = run(closing, 'one-transfer.ts', [large.path], { env: { SENDFILE64_WITHOUT: 'sendfile' } })
    const { code, stdout } = await child.exit
    t.is(code, 0)
    const fallbacks = [{ from: 'sendfile', to: 'copy', code: fallbackCode('ENOSYS') }]
    t.like(JSON.parse(stdout), { bytesSent: large.bytes.length, method: 'copy', fallbacks })
  }),
)

// asyncio makes its own function answer "not available"; here the kernel does: copy_file_range(2) is for files.
test.serial(
  'CPython asyncio 19: a forced method that the kernel refuses rejects the call, and no byte is sent',
  tidy(async (t, closing) => {
    const { near, rest } = await line(closing)
    const source = opened(closing, file.path)
    for (const destination of [near, numbered(near)]) {
      const forced = sendfile(destination, source, { offset: null, method: 'copy_file_range' })
      const error = await t.throwsAsync(within(forced, 'the refusal'), { instanceOf: SendfileError })
      t.like(error, { code: 'ERR_SENDFILE_UNSUPPORTED', bytesSent: 0, offset: 0 })
      if (IN_KERNEL) t.like(error?.cause, { code: 'EINVAL', syscall: 'copy_file_range' })
    }
    t.is(positionOf(source), 0)
    t.is((await rest()).length, 0)
  }),
)

test.serial(
  'CPython asyncio 21: a socket that is closing is refused, and no byte is sent',
  tidy(async (t, closing) => {
    for (const close of ['end', 'destroy'] as const) {
      const { near, body } = await line(closing)
      near[close]()
      const error = await t.throwsAsync(sendfile(near, file.path), { instanceOf: SendfileError })
      t.like(error, { code: 'ERR_SENDFILE_DESTINATION', bytesSent: 0, offset: 0 })
      t.regex(error?.message ?? '', /ended|destroyed/)
      t.is((await body()).bytes.length, 0)
    }
  }),
)

test.serial(
  'CPython asyncio 31: a forced method is refused where only copying is possible',
  tidy(async (t, closing) => {
    const { near, rest } = await line(closing, 'tls')
    const source = opened(closing, file.path)
    const forced = sendfile(near, source, { offset: null, method: 'sendfile' })
    const error = await t.throwsAsync(within(forced, 'the refusal'), { instanceOf: SendfileError })
    t.like(error, { code: 'ERR_SENDFILE_UNSUPPORTED', bytesSent: 0, offset: 0, cause: undefined })
    t.is(positionOf(source), 0)
    t.is((await rest()).length, 0)
  }),
)

/* ---------------------------------------------------------------- sendfile, by TCP and by TLS */

/** The requested range of the file, and its position afterwards. */
interface Wanted {
  readonly title: string
  readonly transport: Transport
  readonly from?: number
  readonly count?: number
  /** Bytes written before and after the file. */
  readonly around?: boolean
}

const WANTED: readonly Wanted[] = [
  { title: 'CPython asyncio 17: the whole file is sent through a socket', transport: 'tcp' },
  { title: 'CPython asyncio 20: the whole file is sent over TLS', transport: 'tls' },
  { title: 'CPython asyncio 22: writes before and after keep their place', transport: 'tcp', around: true },
  { title: 'CPython asyncio 23: writes before and after keep their place over TLS', transport: 'tls', around: true },
  { title: 'CPython asyncio 24: 100 bytes from offset 1000 are sent', transport: 'tcp', from: 1000, count: 100 },
  {
    title: 'CPython asyncio 25: 100 bytes from offset 1000 are sent over TLS',
    transport: 'tls',
    from: 1000,
    count: 100,
  },
]

for (const { title, transport, from = 0, count, around = false } of WANTED) {
  test.serial(
    title,
    tidy(async (t, closing) => {
      const { near, rest } = await line(closing, transport)
      const source = opened(closing, file.path)
      if (from > 0) readSync(source, Buffer.alloc(from))
      if (around) near.write(BEFORE)
      const end = from + (count ?? SIZE)
      const result = await within(sendfile(near, source, { offset: null, count }), 'the transfer')
      if (around) near.write(AFTER)
      t.like(result, { bytesSent: end - from, offset: end, method: transport === 'tls' ? 'copy' : METHOD })
      const reasons = result.fallbacks.map(({ from, to, code }) => `${from} > ${to}: ${code}`)
      const codes = transport === 'tls' ? ['TLS'] : FALLBACK_CODES
      t.deepEqual(
        reasons,
        codes.map((code) => `sendfile > copy: ${code}`),
      )
      t.is(positionOf(source), end)
      const parts = around ? [BEFORE, file.bytes, AFTER] : [file.bytes.subarray(from, end)]
      t.is(sha256(await rest()), sha256(...parts))
    }),
  )
}

/* ---------------------------------------------------------------- writes in the middle */

// asyncio refuses the write; api.md: it is queued.
test.serial(
  'CPython asyncio 30: a write during the transfer is sent after it',
  tidy(async (t, closing) => {
    const { near, rest } = await line(closing)
    const transfer = sendfile(near, large.path)
    await stalled(near)
    near.write(AFTER)
    const received = rest()
    t.is((await within(transfer, 'the transfer')).bytesSent, large.bytes.length)
    t.is(sha256(await received), sha256(large.bytes, AFTER))
  }),
)
