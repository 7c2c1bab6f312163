// Inherited options apply, and each option is read once.
import { once } from 'node:events'
import fs from 'node:fs'
import { PassThrough, Writable } from 'node:stream'
import { tracingChannel } from 'node:diagnostics_channel'
import test from 'ava'

import { createReadStream, sendfile } from '../../index.ts'
import { connectedPair } from '../fixtures/connected-pair.ts'
import { kernelTest } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { within } from '../fixtures/within.ts'

const file = sampleFile(300_000)

test('an inherited `fs` option reads the file', async (t) => {
  const { near, received } = await connectedPair(t)
  const masking = {
    ...fs,
    read(
      fd: number,
      buffer: Uint8Array,
      offset: number,
      length: number,
      position: number,
      callback: (error: Error | null, bytes: number, filled: Uint8Array) => void,
    ): void {
      fs.read(fd, buffer, offset, length, position, (error, bytes, filled) => {
        filled.fill(7, offset, offset + bytes)
        callback(error, bytes, filled)
      })
    },
  }
  createReadStream(file.path, Object.create({ fs: masking })).pipe(near)
  await within(received.closed, 'the end of the connection')
  t.is(sha256(received.bytes), sha256(Buffer.alloc(file.bytes.length, 7)))
})

kernelTest('an inherited `method` option is forced', async (t) => {
  const stream = createReadStream(file.path, Object.create({ method: 'splice' }))
  const failed = once(stream, 'error')
  stream.pipe(new Writable({ write: (_chunk, _encoding, callback) => callback() }))
  const [error]: unknown[] = await within(failed, 'the error')
  t.like(error, { code: 'ERR_SENDFILE_UNSUPPORTED' })
})

test('sendfile() uses an inherited range', async (t) => {
  const { near, received } = await connectedPair(t)
  await within(sendfile(near, file.path, Object.create({ offset: 1000, count: 2000, end: true })), 'the transfer')
  await within(received.closed, 'the end of the connection')
  t.is(sha256(received.bytes), sha256(file.bytes.subarray(1000, 3000)))
})

/** Options whose getters count, and the counts. */
function counting(values: Readonly<Record<string, unknown>>): { options: object; reads: Record<string, number> } {
  const options = {}
  const reads: Record<string, number> = {}
  for (const [name, value] of Object.entries(values)) {
    const get = (): unknown => {
      reads[name] = (reads[name] ?? 0) + 1
      return value
    }
    Object.defineProperty(options, name, { enumerable: true, get })
  }
  return { options, reads }
}

test('a stream reads each option once', (t) => {
  const { options, reads } = counting({ start: 1, end: 5, highWaterMark: 100, method: 'auto', rate: 1000, segment: 10 })
  createReadStream(file.path, options).destroy()
  t.deepEqual(reads, { start: 1, end: 1, highWaterMark: 1, method: 1, rate: 1, segment: 1 })
})

for (const traced of [false, true]) {
  const title = traced ? 'sendfile() that is traced' : 'sendfile()'
  const subscribe = (t: { teardown(close: () => void): void }): void => {
    if (!traced) return
    const channel = tracingChannel('sendfile64.transfer')
    const subscribers = { start() {}, end() {}, asyncStart() {}, asyncEnd() {}, error() {} }
    channel.subscribe(subscribers)
    t.teardown(() => channel.unsubscribe(subscribers))
  }

  test.serial(`${title} reads each option once`, async (t) => {
    subscribe(t)
    const { near } = await connectedPair(t)
    const { options, reads } = counting({ offset: 1, count: 5, rate: 0, end: true })
    await within(sendfile(near, file.path, options), 'the transfer')
    t.deepEqual(reads, { offset: 1, count: 1, rate: 1, end: 1 })
  })

  test.serial(`${title} rejects with the exception of an option getter`, async (t) => {
    subscribe(t)
    const { near } = await connectedPair(t)
    for (const thrown of [new Error('of the user'), null, Object.freeze({})]) {
      const options = {
        get offset(): number {
          throw thrown
        },
      }
      const outcome = await within(
        sendfile(near, file.path, options).then(
          () => 'resolved',
          (error: unknown) => (error === thrown ? 'rejected' : error),
        ),
        'the call',
      )
      t.is(outcome, 'rejected')
    }
  })
}

test('createReadStream() throws the exception of an option getter, as fs.createReadStream does', (t) => {
  const thrown = new Error('of the user')
  for (const name of ['start', 'method']) {
    const options = Object.defineProperty({}, name, {
      enumerable: true,
      get() {
        throw thrown
      },
    })
    t.is(
      t.throws(() => createReadStream(file.path, options)),
      thrown,
    )
  }
})

test('a getter of the only option is called once', async (t) => {
  const through = new PassThrough().resume()
  let reads = 0
  const options = {
    get end() {
      reads += 1
      return true
    },
  }
  const { bytesSent } = await within(sendfile(through, file.path, options), 'the transfer')
  t.deepEqual(
    { bytesSent, reads, isEnded: through.writableEnded },
    { bytesSent: file.bytes.length, reads: 1, isEnded: true },
  )
})

test('a getter on the prototype is an option as well', async (t) => {
  class Options {
    readonly end = true
    get count() {
      return 3
    }
  }
  const through = new PassThrough().resume()
  t.like(await within(sendfile(through, file.path, new Options()), 'the transfer'), { bytesSent: 3 })
})
