// CPython, Lib/test/test_socket.py, SendfileUsingSendTest and SendfileUsingSendfileTest: socket.sendfile(), every case by
// copying and by sendfile(2); and by splice(2), which the origin does not use.
//
// Case 33 is the same in both classes: a source that is not a file can only be copied.
import dgram from 'node:dgram'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import test from 'ava'

import { sendfile, SendfileError, type SendfileOptions, type SourceArgument } from '../../index.ts'
import { endingOf } from '../fixtures/ending.ts'
import { fallbackCode, IN_KERNEL, serialBy } from '../fixtures/executor.ts'
import { sampleBytes, sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { warmEngine } from '../fixtures/warm-engine.ts'
import { within } from '../fixtures/within.ts'
import { drained, fed, handleFd, isNonBlocking, numbered, opened, pipe, positionOf } from './fixtures/descriptor.ts'
import { line } from './fixtures/line.ts'
import { tidy } from './fixtures/tidy.ts'

const SIZE = 10 * 2 ** 20
const file = sampleFile(SIZE)
const empty = sampleFile(0)
const AFTER = Buffer.from('what comes after')

test.before(warmEngine)

/** The first two are the classes of the origin. */
const METHODS = ['copy', 'sendfile', 'splice'] as const

/** The options, and the range of the file that they select. */
const RANGES: readonly (readonly [title: string, options: SendfileOptions, from: number, to: number])[] = [
  ['CPython socket 32: the whole file is sent', {}, 0, SIZE],
  ['CPython socket 35: the rest of the file from offset 5000 is sent', { offset: 5000 }, 5000, SIZE],
  ['CPython socket 36: the first 5000007 bytes are sent', { count: 5_000_007 }, 0, 5_000_007],
  ['CPython socket 37: one byte is sent', { count: 1 }, 0, 1],
  ['CPython socket 38: 100007 bytes from offset 2007 are sent', { offset: 2007, count: 100_007 }, 2007, 102_014],
  ['CPython socket 40: a time limit that is not reached has no effect', { stallTimeout: 60_000 }, 0, SIZE],
]

for (const method of METHODS) {
  for (const [title, options, from, to] of RANGES) {
    serialBy(method)(
      `${title}, by ${method}`,
      tidy(async (t, closing) => {
        const { near, body } = await line(closing)
        const received = body()
        const result = await within(sendfile(near, file.path, { ...options, method, end: true }), 'the transfer')
        t.like(result, { bytesSent: to - from, offset: to, method, fallbacks: [] })
        const { bytes, ended } = await received
        t.true(ended)
        t.is(sha256(bytes), sha256(file.bytes.subarray(from, to)))
      }),
    )
  }

  serialBy(method)(
    `CPython socket 32: the position of the file is at its end, by ${method}`,
    tidy(async (t, closing) => {
      const { near, body } = await line(closing)
      const received = body()
      const source = opened(closing, file.path)
      const result = await within(sendfile(near, source, { offset: null, method, end: true }), 'the transfer')
      t.like(result, { bytesSent: SIZE, offset: SIZE, method })
      t.is(positionOf(source), SIZE)
      t.is(sha256((await received).bytes), sha256(file.bytes))
    }),
  )

  serialBy(method)(
    `CPython socket 34: an empty file sends 0 bytes, by ${method}`,
    tidy(async (t, closing) => {
      const { near, rest } = await line(closing)
      t.like(await within(sendfile(near, empty.path, { method }), 'the transfer'), { bytesSent: 0, offset: 0, method })
      t.is((await rest()).length, 0)
    }),
  )

  // CPython refuses nonblocking sockets, because os.sendfile would fail when they are full. api.md: no call blocks in
  // any mode of the descriptor, and the mode stays unchanged.
  serialBy(method)(
    `CPython socket 39: a nonblocking socket and a blocking pipe keep their mode, by ${method}`,
    tidy(async (t, closing) => {
      const { near, body } = await line(closing)
      t.true(isNonBlocking(handleFd(near)))
      const received = body()
      t.is((await within(sendfile(numbered(near), file.path, { method }), 'the transfer')).bytesSent, SIZE)
      near.end()
      t.is(sha256((await received).bytes), sha256(file.bytes))

      const ends = pipe(closing)
      t.false(isNonBlocking(ends.writeEnd))
      const read = drained(ends)
      t.is((await within(sendfile(ends.writeEnd, file.path, { method }), 'the transfer')).bytesSent, SIZE)
      t.false(isNonBlocking(ends.writeEnd))
      ends.closeWriteEnd()
      t.is(sha256((await read).bytes), sha256(file.bytes))
    }),
  )

  serialBy(method)(
    `CPython socket 41: a peer that does not read within the time limit rejects the transfer, by ${method}`,
    tidy(async (t, closing) => {
      for (const to of ['socket', 'number']) {
        const { near, rest } = await line(closing)
        const destination = to === 'socket' ? near : numbered(near)
        const { code, bytesSent, offset } = await endingOf(
          sendfile(destination, file.path, { stallTimeout: 10, method }),
        )
        t.is(code, 'ERR_SENDFILE_STALLED')
        t.true(bytesSent > 0 && bytesSent < SIZE, `${bytesSent} bytes`)
        t.is(offset, bytesSent)
        near.write(AFTER)
        t.is(sha256(await rest()), sha256(file.bytes.subarray(0, bytesSent), AFTER))
      }
    }),
  )
}

test.serial(
  'CPython socket 33: a source that is not a file is copied, and loses no byte if copying is refused',
  tidy(async (t, closing) => {
    const bytes = sampleBytes(300_000, 3)
    const ends = pipe(closing)
    fed(ends, bytes)
    const { near, body } = await line(closing)
    const received = body()
    const forced = sendfile(near, ends.readEnd, { method: 'sendfile' })
    const error = await t.throwsAsync(within(forced, 'the refusal'), { instanceOf: SendfileError })
    t.like(error, { code: 'ERR_SENDFILE_UNSUPPORTED', bytesSent: 0 })

    const result = await within(sendfile(near, ends.readEnd, { end: true }), 'the transfer')
    t.like(result, { bytesSent: bytes.length, method: 'copy' })
    t.is(result.fallbacks.length, 1)
    t.like(result.fallbacks[0], { from: 'sendfile', to: 'copy', code: fallbackCode('FILESYSTEM') })
    t.is(sha256((await received).bytes), sha256(bytes))
  }),
)

test.serial(
  'CPython socket 33: if it cannot be copied to the number of a socket, the call rejects and loses no byte',
  tidy(async (t, closing) => {
    const bytes = sampleBytes(300_000, 3)
    const ends = pipe(closing)
    fed(ends, bytes)
    const { near, body } = await line(closing)
    const received = body()
    const byNumber = sendfile(handleFd(near), ends.readEnd)
    const error = await t.throwsAsync(within(byNumber, 'the refusal'), { instanceOf: SendfileError })
    t.like(error, { code: 'ERR_SENDFILE_UNSUPPORTED', bytesSent: 0, offset: 0 })
    t.regex(error?.message ?? '', /\. Pass the net\.Socket instead$/)
    if (IN_KERNEL) t.regex(error?.message ?? '', /size of the source is not known in advance/)
    t.is((await within(sendfile(near, ends.readEnd, { end: true }), 'the transfer')).bytesSent, bytes.length)
    t.is(sha256((await received).bytes), sha256(bytes))
  }),
)

/* ---------------------------------------------------------------- errors */

test.serial(
  'CPython socket 42: a datagram socket is refused',
  tidy(async (t, closing) => {
    const socket = dgram.createSocket('udp4')
    closing.teardown(() => once(socket.close(), 'close'))
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    const error = await t.throwsAsync(sendfile(handleFd(socket), file.path), { instanceOf: SendfileError })
    // without the addon, a datagram socket cannot be recognized by its number
    const code = IN_KERNEL ? 'ERR_SENDFILE_DESTINATION' : 'ERR_SENDFILE_UNSUPPORTED'
    t.like(error, { code, bytesSent: 0, offset: 0 })
  }),
)

// Node has no files in text mode. A stream with an encoding is the closest equivalent: its descriptor may be sent, the
// stream may not.
test.serial(
  'CPython socket 42: a stream with an encoding is refused as a source',
  tidy(async (t, closing) => {
    const { near, rest } = await line(closing)
    const text = createReadStream(file.path, { encoding: 'latin1' })
    await once(text, 'open')
    closing.teardown(() => once(text.destroy(), 'close'))
    const refused = Reflect.apply(sendfile, undefined, [near, text])
    await t.throwsAsync(Promise.resolve(refused), { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE' })
    t.is((await rest()).length, 0)
  }),
)

// CPython also refuses a count of 0. api.md: it sends 0 bytes without an error.
const COUNTS: readonly (readonly [count: unknown, code: string | undefined])[] = [
  ['2', 'ERR_INVALID_ARG_TYPE'],
  [null, 'ERR_INVALID_ARG_TYPE'],
  [0.1, 'ERR_OUT_OF_RANGE'],
  [-1, 'ERR_OUT_OF_RANGE'],
  [0, undefined],
]

test.serial(
  'CPython socket 42: invalid counts are refused',
  tidy(async (t, closing) => {
    const { near, rest } = await line(closing)
    const source: SourceArgument = opened(closing, file.path)
    for (const [count, code] of COUNTS) {
      const call = Promise.resolve(Reflect.apply(sendfile, undefined, [near, source, { offset: null, count }]))
      if (code === undefined) t.is((await within(call, 'the transfer')).bytesSent, 0)
      else await t.throwsAsync(call, { code }, String(count))
    }
    t.is(positionOf(source), 0)
    t.is((await rest()).length, 0)
  }),
)
