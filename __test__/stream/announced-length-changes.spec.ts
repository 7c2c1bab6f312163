// Streams: what becomes of a message with a Content-Length whose file is truncated or grows.
import { once } from 'node:events'
import { appendFileSync, truncateSync, writeFileSync } from 'node:fs'
import http from 'node:http'

import { createReadStream, type ReadStream } from '../../index.ts'
import { text, twice } from '../fixtures/asked-twice.ts'
import { countDescriptors, descriptorsSettleAt } from '../fixtures/descriptors.ts'
import { kernelSerial, kernelTest } from '../fixtures/executor.ts'
import { Unanswered } from '../fixtures/http-client.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { serve } from '../fixtures/servers.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { receiveUploads } from '../fixtures/uploads.ts'
import { until, within } from '../fixtures/within.ts'

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
