// HTTP/2: the answers of HTTP/1.1.
import { once } from 'node:events'
import http2 from 'node:http2'
import test from 'ava'

import { serveFile, type ServeResult } from '../../http.ts'
import { sampleBytes } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { allClosed, folderOf } from '../fixtures/site.ts'
import { until, within } from '../fixtures/within.ts'

const contents = sampleBytes(64 << 20)
const folder = folderOf({
  'large.bin': contents,
  'small.bin': contents.subarray(0, 1000),
  'mid.bin': contents.subarray(0, 300_000),
})

test.serial('HTTP/2 by its compatibility API: the same answers, copied', async (t) => {
  const results: ServeResult[] = []
  const server = http2.createServer((req, res) => {
    void serveFile(req, res, req.url.slice(1), { root: folder }).then((result) => results.push(result))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a server without a port')
  const session = http2.connect(`http://127.0.0.1:${address.port}`)
  t.teardown(() => {
    session.destroy()
    server.close()
  })
  const ask = async (headers: http2.OutgoingHttpHeaders): Promise<readonly [number | undefined, Buffer]> => {
    const stream = session.request(headers)
    const answered = once(stream, 'response')
    const chunks: Buffer[] = []
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    const [head] = await within(answered, 'the headers')
    await within(once(stream, 'close'), 'the end of the stream')
    return [head[':status'], Buffer.concat(chunks)]
  }
  for (const [name, size] of [
    ['mid.bin', 300_000],
    ['small.bin', 1000],
  ] as const) {
    const [status, body] = await ask({ ':path': `/${name}` })
    t.deepEqual([status, sha256(body)], [200, sha256(contents.subarray(0, size))])
  }
  t.deepEqual((await ask({ ':path': '/mid.bin', range: 'bytes=5-9' }))[1], contents.subarray(5, 10))
  t.is((await ask({ ':path': '/mid.bin', range: 'bytes=0-99999,200000-' }))[0], 206)
  t.is((await ask({ ':path': '/mid.bin', ':method': 'HEAD' }))[0], 200)
  t.is((await ask({ ':path': '/nothing' }))[0], 404)
  t.is(results.filter(({ completed }) => completed).length, 6)
  const stream = session.request({ ':path': '/large.bin' })
  await within(once(stream, 'data'), 'the first bytes')
  stream.close(http2.constants.NGHTTP2_CANCEL)
  await until(() => results.length === 7, 'the last result')
  t.like(results.at(-1), { status: 200, completed: false })
  await allClosed(folder)
})
