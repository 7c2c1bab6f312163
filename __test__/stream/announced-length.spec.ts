// Streams: a message on a connection that stays open never has more or fewer bytes than its Content-Length, sent by the
// kernel or read.
import { tracingChannel } from 'node:diagnostics_channel'
import { appendFileSync, writeFileSync } from 'node:fs'
import type http from 'node:http'
import { PassThrough, pipeline } from 'node:stream'

import { createReadStream, type ReadStream, type TransferContext } from '../../index.ts'
import { text, twice } from '../fixtures/asked-twice.ts'
import { kernelSerial, kernelTest } from '../fixtures/executor.ts'
import { observeBody } from '../fixtures/middleware.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { until } from '../fixtures/within.ts'

/** How a stream is connected to a response. */
interface Way {
  readonly name: string
  readonly secure?: boolean
  pipe(path: string, response: http.ServerResponse): ReadStream
}

const piped = (stream: ReadStream, response: http.ServerResponse): ReadStream => {
  stream.pipe(response)
  return stream
}

const WAYS: readonly Way[] = [
  { name: 'the kernel', pipe: (path, response) => piped(createReadStream(path), response) },
  {
    name: 'sendfile(2) for every size',
    pipe: (path, res) => piped(createReadStream(path, { method: 'sendfile' }), res),
  },
  { name: 'reading', pipe: (path, response) => piped(createReadStream(path, { method: 'copy' }), response) },
  { name: 'TLS', secure: true, pipe: (path, response) => piped(createReadStream(path), response) },
  {
    name: "a 'data' listener",
    pipe: (path, response) =>
      piped(
        createReadStream(path).on('data', () => {}),
        response,
      ),
  },
  {
    name: 'an encoding',
    pipe(path, response) {
      // UTF-8 bytes stay unchanged by an encoding; others do not.
      const stream = createReadStream(path).setEncoding('utf8')
      return piped(stream as ReadStream, response)
    },
  },
  {
    name: 'a wrapped write',
    pipe(path, response) {
      observeBody(response, () => {})
      return piped(createReadStream(path), response)
    },
  },
  {
    name: 'pipeline()',
    pipe(path, response) {
      const stream = createReadStream(path)
      pipeline(stream, response, () => {})
      return stream
    },
  },
  {
    name: 'a second destination',
    pipe(path, response) {
      const stream = createReadStream(path)
      stream.pipe(new PassThrough()).resume()
      return piped(stream, response)
    },
  },
]

const channel = tracingChannel<unknown, TransferContext>('sendfile64.transfer')

for (const way of WAYS) {
  for (const [before, after] of [
    [30_000, 10_000],
    [30_000, 0],
    [300_000, 100_000],
    [3_000_000, 2_900_000],
  ] as const) {
    kernelSerial(
      `${way.name}: a file that changes from ${before} to ${after} bytes before it is opened destroys the response`,
      async (t) => {
        const { path } = sampleFile(before)
        const events: string[] = []
        const errors: unknown[] = []
        const onError = ({ destination, error }: TransferContext & { error?: unknown }): void => {
          if (destination === failed) errors.push(Reflect.get(Object(error), 'code'))
        }
        channel.error.subscribe(onError as never)
        t.teardown(() => void channel.error.unsubscribe(onError as never))
        let failed: http.ServerResponse | undefined
        let stream: ReadStream | undefined
        const got = await twice(t, way.secure === true, (response) => {
          failed = response
          for (const event of ['finish', 'close']) response.on(event, () => events.push(event))
          response.setHeader('Content-Length', before)
          writeFileSync(path, text(after))
          stream = way.pipe(path, response)
        })
        t.true(['truncated', 'socket hang up'].includes(got.first), got.first)
        t.true(Number.isNaN(got.length) || got.length <= after)
        t.is(got.second, 'again')
        await until(() => events.includes('close') && stream?.closed === true, 'the end of the response and the stream')
        t.deepEqual(events, ['close'])
        t.like(failed?.errored, { code: 'ERR_SENDFILE_TRUNCATED' })
        if (way.name !== 'a second destination') t.deepEqual(errors, ['ERR_SENDFILE_TRUNCATED'])
      },
    )
  }

  for (const size of [30_000, 300_000, 3 << 20]) {
    kernelTest(
      `${way.name}: a file of ${size} bytes that grows before and during reading is sent with the announced length`,
      async (t) => {
        const { path } = sampleFile(0)
        writeFileSync(path, text(size))
        const answer = (response: http.ServerResponse): void => {
          response.setHeader('Content-Length', size)
          appendFileSync(path, text(70_000))
          way.pipe(path, response)
        }
        const got = await twice(t, way.secure === true, answer, () => appendFileSync(path, text(70_000)))
        t.deepEqual(got, { first: sha256(text(size)), length: size, second: 'again' })
      },
    )
  }
}
