// Streams: a message on a connection that stays open never has more or fewer bytes than its Content-Length, sent by the
// kernel or read.
import { tracingChannel } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { appendFileSync, truncateSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import { PassThrough, pipeline } from 'node:stream'
import { gunzipSync } from 'node:zlib'
import type { ExecutionContext } from 'ava'

import { createReadStream, type ReadStream, type TransferContext } from '../../index.ts'
import { cert, key } from '../fixtures/certificate.ts'
import { countDescriptors, descriptorsSettleAt } from '../fixtures/descriptors.ts'
import { kernelSerial, kernelTest } from '../fixtures/executor.ts'
import { Unanswered } from '../fixtures/http-client.ts'
import { compress, observeBody } from '../fixtures/middleware.ts'
import { sampleBytes, sampleFile } from '../fixtures/sample-file.ts'
import { listen, serve } from '../fixtures/servers.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { receiveUploads } from '../fixtures/uploads.ts'
import { until, within } from '../fixtures/within.ts'

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

/** The result of a client that sends two consecutive requests on one connection. */
interface Got {
  /** SHA-256 of the first body; the error of its end. */
  readonly first: string
  readonly length: number
  /** The second body, or the code of its error. */
  readonly second: string
}

async function twice(
  t: ExecutionContext,
  secure: boolean,
  answer: (response: http.ServerResponse) => void,
  between: () => void = () => {},
): Promise<Got> {
  const handler: http.RequestListener = (request, response) => {
    if (request.url === '/again') response.end('again')
    else answer(response)
  }
  const server = secure ? https.createServer({ key, cert }, handler) : http.createServer(handler)
  const port = await listen(t, server)
  t.teardown(() => server.closeAllConnections())
  const agent = new (secure ? https : http).Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const get = async (path: string, begun: () => void): Promise<Buffer> => {
    const request = (secure ? https : http).get({ port, path, agent, host: '127.0.0.1', rejectUnauthorized: false })
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    begun()
    const parts: Buffer[] = []
    response.on('data', (part: Buffer) => parts.push(part))
    await once(response, 'end').catch((error: unknown) => {
      throw Object.assign(new Error('truncated'), { length: Buffer.concat(parts).length, cause: error })
    })
    return Buffer.concat(parts)
  }
  const [first, second] = await within(
    Promise.allSettled([get('/', between), get('/again', () => {})]),
    'both answers',
    20_000,
  )
  const isWhole = first.status === 'fulfilled'
  return {
    first: isWhole ? sha256(first.value) : String(Reflect.get(Object(first.reason), 'message')),
    length: isWhole ? first.value.length : Number(Reflect.get(Object(first.reason), 'length')),
    second: second.status === 'fulfilled' ? second.value.toString() : String(second.reason),
  }
}

/** Text, so that an encoding changes nothing. */
const text = (size: number): Buffer => Buffer.from(sampleBytes(size).toString('hex').slice(0, size))

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

for (const size of [30_000, 300_000, 3 << 20]) {
  kernelTest(`bytes written to the message before the stream count: ${size} bytes`, async (t) => {
    const bytes = text(size)
    const { path } = sampleFile(0)
    writeFileSync(path, bytes)
    const got = await twice(t, false, (response) => {
      response.writeHead(200, { 'Content-Length': size + 7 })
      response.write('head: §')
      appendFileSync(path, text(70_000))
      createReadStream(path).pipe(response)
    })
    const whole = Buffer.concat([Buffer.from('head: §'), bytes]).subarray(0, size + 7)
    t.deepEqual(got, { first: sha256(whole), length: size + 7, second: 'again' })
  })

  kernelTest(`two streams whose sum is the length are sent: ${size} bytes each`, async (t) => {
    const bytes = text(size)
    const { path } = sampleFile(0)
    writeFileSync(path, bytes)
    const got = await twice(t, false, (response) => {
      response.setHeader('Content-Length', 2 * size + 4)
      const first = createReadStream(path)
      first.pipe(response, { end: false })
      first.on('end', () => {
        response.write('----')
        createReadStream(path).pipe(response)
        appendFileSync(path, text(1000))
      })
    })
    t.is(got.first, sha256(bytes, Buffer.from('----'), bytes))
    t.is(got.second, 'again')
  })
}

kernelTest('a body that is too short never contains a byte of the next response', async (t) => {
  for (const [before, after] of [
    [30_000, 10_000],
    [300_000, 100_000],
  ] as const) {
    const { path } = sampleFile(before)
    const answer = (request: http.IncomingMessage, response: http.ServerResponse): void => {
      if (request.url === '/again') return void response.end('again')
      response.setHeader('Content-Length', before)
      writeFileSync(path, text(after))
      createReadStream(path).pipe(response)
    }
    const { connect } = await serve(t, answer, { keepAliveTimeout: 60_000 })
    const client = await connect()
    const [first, second] = client.pipeline(['/', '/again'])
    const error = await t.throwsAsync(within(first!, 'the end of the answer'), { instanceOf: Unanswered })
    await t.throwsAsync(second!, { instanceOf: Unanswered })
    t.true(error?.partialBody.equals(text(after).subarray(0, error.partialBody.length)))
  }
})

kernelTest('a range truncated before the file is opened destroys the response', async (t) => {
  const { path } = sampleFile(300_000)
  const got = await twice(t, false, (response) => {
    response.writeHead(206, { 'Content-Length': 150_000 })
    writeFileSync(path, text(100_000))
    createReadStream(path, { start: 150_000, end: 299_999 }).pipe(response)
  })
  t.is(got.second, 'again')
  t.not(got.length, 150_000)
})

for (const [name, pipe] of [
  ['an upload', (path: string, request: http.ClientRequest) => createReadStream(path).pipe(request)],
  [
    'a small upload',
    (path: string, request: http.ClientRequest) => createReadStream(path, { end: 29_999 }).pipe(request),
  ],
] as const) {
  const size = name === 'an upload' ? 3_000_000 : 30_000
  kernelTest(`${name} of a file that grows has the announced length`, async (t) => {
    const uploads = await receiveUploads(t)
    const bytes = text(size)
    for (let round = 0; round < 2; round += 1) {
      const { path } = sampleFile(0)
      writeFileSync(path, bytes)
      const request = uploads.request(size)
      appendFileSync(path, bytes)
      await uploads.answered(request, async () => void createReadStream(path).pipe(request))
    }
    t.deepEqual(
      uploads.bodies.map((body) => sha256(body)),
      [sha256(bytes), sha256(bytes)],
    )
  })

  kernelTest(`${name} of a file that was truncated before it is opened fails`, async (t) => {
    const { port } = await serve(t, (request) => void request.resume().on('error', () => {}))
    const { path } = sampleFile(size)
    const request = http.request({ port, method: 'PUT', agent: false, headers: { 'Content-Length': size } })
    const failed = once(request, 'error')
    truncateSync(path, 10_000)
    pipe(path, request)
    t.like((await within(failed, "event 'error'"))[0], { code: 'ERR_SENDFILE_TRUNCATED' })
  })
}

kernelTest('a file truncated while `rate` delays the stream destroys the response', async (t) => {
  const { path } = sampleFile(8 << 20)
  let stream: ReadStream | undefined
  let failed: http.ServerResponse | undefined
  const { connect } = await serve(t, (_, response) => {
    failed = response
    response.setHeader('Content-Length', 8 << 20)
    stream = createReadStream(path, { rate: 4 << 20 })
    stream.pipe(response)
  })
  const client = await connect()
  const answer = client.request('/')
  await until(() => (stream?.bytesRead ?? 0) > 0, 'some bytes')
  truncateSync(path, 1000)
  await t.throwsAsync(within(answer, 'the end of the answer'), { name: 'Unanswered' })
  await until(() => stream?.closed === true, 'the end of the stream')
  t.like(failed?.errored, { code: 'ERR_SENDFILE_TRUNCATED' })
})

for (const framing of ['length', 'chunked', 'strict length'] as const) {
  kernelSerial(`a file that is truncated while it is sent is closed: ${framing}`, async (t) => {
    const size = 48 << 20
    const { connect, close } = await serve(t, (_, response) => {
      if (framing !== 'chunked') response.setHeader('Content-Length', size)
      response.strictContentLength = framing === 'strict length'
      response.on('finish', () => t.fail("'finish' must not be emitted"))
      createReadStream(path).pipe(response)
    })
    const { path } = sampleFile(size)
    const warm = await connect() // the engine's own
    await t.throwsAsync(cut(warm))
    await warm.close()
    const before = countDescriptors()
    for (let round = 0; round < 4; round += 1) {
      writeFileSync(path, Buffer.alloc(size))
      const client = await connect()
      await t.throwsAsync(cut(client))
      await client.close()
    }
    t.is(await descriptorsSettleAt(before), before)
    await close()

    async function cut(client: Awaited<ReturnType<typeof connect>>): Promise<void> {
      const answer = client.request('/')
      answer.catch(() => {})
      await once(client.socket, 'data')
      client.socket.pause()
      truncateSync(path, 0)
      client.socket.resume()
      await within(answer, 'the end of the answer')
    }
  })
}

kernelTest('a strict response to a file that has grown ends as with a stock stream', async (t) => {
  // Up to Node 22, an exception of `write` within a pipe is uncaught.
  if (Number(process.versions.node.split('.')[0]) < 24) return t.pass()
  const { path } = sampleFile(200_000)
  let failed: http.ServerResponse | undefined
  const got = await twice(t, false, (response) => {
    failed = response
    response.strictContentLength = true
    response.setHeader('Content-Length', 190_000)
    createReadStream(path).pipe(response)
  })
  await until(() => failed?.closed === true, 'the end of the response')
  t.like(failed?.errored, { code: 'ERR_HTTP_CONTENT_LENGTH_MISMATCH' })
  t.true(got.length <= 190_000)
})

kernelTest('a compressed response is not checked against a length', async (t) => {
  const { path, bytes } = sampleFile(300_000)
  const { connect } = await serve(t, (_, response) => {
    response.setHeader('Content-Length', 100_000)
    compress(response, () => true)
    createReadStream(path).pipe(response)
  })
  const client = await connect()
  const { body } = await client.request('/')
  t.is(sha256(gunzipSync(body)), sha256(bytes))
})

for (const status of [200, 204, 304]) {
  kernelTest(`a ${status} without a body may announce any length`, async (t) => {
    const { path } = sampleFile(300_000)
    const { connect } = await serve(t, (request, response) => {
      if (request.url === '/again') return void response.end('again')
      response.statusCode = status
      if (status !== 204) response.setHeader('Content-Length', 500_000)
      createReadStream(path).pipe(response)
    })
    const client = await connect()
    const first = await client.request('/', { method: status === 200 ? 'HEAD' : 'GET' })
    t.is(first.status, status)
    t.is((await client.request('/again')).body.toString(), 'again')
  })
}

kernelTest('a range beyond the end of the file is empty', async (t) => {
  const { path } = sampleFile(300_000)
  const got = await twice(t, false, (response) => {
    createReadStream(path, { start: 400_000, method: 'sendfile' }).pipe(response)
  })
  t.deepEqual(got, { first: sha256(Buffer.alloc(0)), length: 0, second: 'again' })
})
