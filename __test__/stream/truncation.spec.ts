// A file truncated while it is piped: an http message must not look complete, a socket ends as with a stock stream.
import { once } from 'node:events'
import { appendFileSync, truncateSync } from 'node:fs'
import http from 'node:http'
import { pipeline } from 'node:stream'
import test from 'ava'

import { createReadStream } from '../../index.ts'
import { connectedPair } from '../fixtures/connected-pair.ts'
import { kernelTest } from '../fixtures/executor.ts'
import { HttpClient, Unanswered } from '../fixtures/http-client.ts'
import { sampleBytes, sampleFile } from '../fixtures/sample-file.ts'
import { serve } from '../fixtures/servers.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { until, within } from '../fixtures/within.ts'

const SIZE = 48 << 20

for (const framing of ['length', 'chunked'] as const) {
  kernelTest(`a truncated file destroys the response with ERR_SENDFILE_TRUNCATED: ${framing}`, async (t) => {
    const { path, bytes } = sampleFile(SIZE)
    const errors: unknown[] = []
    const { port } = await serve(t, (_, response) => {
      if (framing === 'length') response.setHeader('Content-Length', SIZE)
      response.on('close', () => errors.push(response.errored))
      pipeline(createReadStream(path), response, () => {})
    })
    const client = await HttpClient.connect(port)
    t.teardown(() => client.close())
    const answer = client.request('/').catch((error: unknown) => error)
    await once(client.socket, 'data')
    client.socket.pause()
    truncateSync(path, 30 << 20)
    client.socket.resume()
    const failure = await within(answer, 'the end of the answer')
    if (!(failure instanceof Unanswered)) return t.fail('the answer looks complete')
    t.true(failure.partialBody.equals(bytes.subarray(0, failure.partialBody.length)))
    await until(() => errors.length > 0, 'the end of the response')
    t.like(errors[0], { code: 'ERR_SENDFILE_TRUNCATED' })
  })
}

kernelTest('a truncated file destroys the upload with ERR_SENDFILE_TRUNCATED', async (t) => {
  const { path } = sampleFile(SIZE)
  let goOn = (): void => {}
  const { port } = await serve(t, (request) => {
    request.pause().on('error', () => {})
    goOn = () => void request.resume()
  })
  const request = http.request({ port, method: 'PUT', agent: false })
  const failed = new Promise((resolve) => request.on('error', resolve))
  const stream = createReadStream(path)
  stream.pipe(request)
  await until(() => (stream.transfer?.bytesSent ?? 0) > 1 << 20, 'some bytes')
  truncateSync(path, 1 << 20)
  goOn()
  t.like(await within(failed, "event 'error'"), { code: 'ERR_SENDFILE_TRUNCATED' })
})

test('a truncated file ends the socket after its last byte', async (t) => {
  const { near, far, received } = await connectedPair(t, { reading: false })
  const { path, bytes } = sampleFile(SIZE)
  const stream = createReadStream(path)
  const ended = once(stream, 'end')
  stream.pipe(near)
  await until(() => stream.bytesRead > 0, 'some bytes')
  truncateSync(path, 30 << 20)
  far.resume()
  await within(ended, "event 'end'")
  await within(received.closed, 'the end of the connection')
  t.is(received.bytes.length, 30 << 20)
  t.is(sha256(received.bytes), sha256(bytes.subarray(0, 30 << 20)))
})

test('a file that grows is read to its end', async (t) => {
  const { near, far, received } = await connectedPair(t, { reading: false })
  const { path, bytes } = sampleFile(SIZE)
  const more = sampleBytes(3 << 20, 9)
  const stream = createReadStream(path)
  stream.pipe(near)
  await until(() => stream.bytesRead > 0, 'some bytes')
  appendFileSync(path, more)
  far.resume()
  await within(received.closed, 'the end of the connection')
  t.is(sha256(received.bytes), sha256(bytes, more))
})
