// Streams: which bytes of a message count toward its Content-Length, and which messages are not checked against it.
import { appendFileSync, writeFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'

import { createReadStream } from '../../index.ts'
import { text, twice } from '../fixtures/asked-twice.ts'
import { kernelTest } from '../fixtures/executor.ts'
import { compress } from '../fixtures/middleware.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { serve } from '../fixtures/servers.ts'
import { sha256 } from '../fixtures/sha256.ts'

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
