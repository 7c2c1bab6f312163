// Node frames the body of a message; the bytes of the kernel must fit exactly into that frame.
import type { ServerResponse } from 'node:http'
import test, { type ExecutionContext } from 'ava'

import { sendfile, type SendfileOptions, type SendfileResult } from '../../index.ts'
import { IN_KERNEL, METHOD } from '../fixtures/executor.ts'
import type { HttpClient, RawResponse, RequestParts } from '../fixtures/http-client.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { serve } from '../fixtures/servers.ts'
import { sha256 } from '../fixtures/sha256.ts'

const SIZE = 700_001
const file = sampleFile(SIZE)
const empty = sampleFile(0)

interface Exchange {
  readonly response: RawResponse
  readonly result: SendfileResult
  readonly client: HttpClient
}

/** One request, answered by `send`. Afterwards the connection is usable again, unless it is closed. */
async function exchange(
  t: ExecutionContext,
  send: (response: ServerResponse) => Promise<SendfileResult>,
  request: RequestParts = {},
): Promise<Exchange> {
  const results: SendfileResult[] = []
  const { connect, answered } = await serve(t, async (incoming, response) => {
    if (incoming.url === '/again') response.end('again')
    else results.push(await send(response))
  })
  const client = await connect()
  const response = await client.request('/', request)
  if (response.framing !== 'close') {
    const next = await client.request('/again')
    t.deepEqual([next.status, next.body.toString()], [200, 'again'])
  }
  // The client may have the last byte before the promise has settled.
  await answered()
  t.is(results.length, 1)
  return { response, result: results[0]!, client }
}

/** Sends the sample and ends the response separately. */
async function sendThenEnd(response: ServerResponse, options?: SendfileOptions): Promise<SendfileResult> {
  const result = await sendfile(response, file.path, options)
  response.end()
  return result
}

function bodyIs(t: ExecutionContext, { body }: RawResponse, expected: Uint8Array): void {
  t.is(body.length, expected.length)
  t.is(sha256(body), sha256(expected))
}

test('end: true announces the length', async (t) => {
  const { response, result } = await exchange(t, (res) => sendfile(res, file.path, { end: true }))
  t.is(response.framing, 'length')
  t.is(response.headers.get('content-length'), `${SIZE}`)
  t.false(response.headers.has('transfer-encoding'))
  bodyIs(t, response, file.bytes)
  t.deepEqual([result.method, result.bytesSent, result.offset], [METHOD, SIZE, SIZE])
})

test('end: true keeps an existing Content-Length', async (t) => {
  const { response } = await exchange(t, (res) => {
    res.setHeader('content-LENGTH', `000${SIZE}`)
    return sendfile(res, file.path, { end: true })
  })
  t.is(response.headers.get('content-length'), `000${SIZE}`)
  bodyIs(t, response, file.bytes)
})

test('end: true keeps an existing Transfer-Encoding', async (t) => {
  const { response, result } = await exchange(t, (res) => {
    res.setHeader('Transfer-Encoding', 'chunked')
    return sendfile(res, file.path, { end: true })
  })
  t.false(response.headers.has('content-length'))
  if (IN_KERNEL) t.deepEqual(response.chunks, [SIZE])
  else t.true(response.chunks.length > 1, 'JavaScript writes as much at once as a stream of Node')
  bodyIs(t, response, file.bytes)
  t.is(result.method, METHOD)
})

test('end: true sets no header after the headers are sent', async (t) => {
  const { response } = await exchange(t, (res) => {
    res.writeHead(200, { 'X-Sent': 'early' })
    return sendfile(res, file.path, { end: true })
  })
  t.false(response.headers.has('content-length'))
  t.is(response.headers.get('x-sent'), 'early')
  bodyIs(t, response, file.bytes)
})

test('without end, a file is chunked like a write of the same length', async (t) => {
  const around = (response: ServerResponse, sendBody: () => void): void => {
    response.write('head')
    sendBody()
    response.write('tail')
    response.end('end')
  }
  const { connect } = await serve(t, (_, response) => around(response, () => response.write(file.bytes)))
  const stock = await (await connect()).request('/')
  const { response, result } = await exchange(t, (res) => {
    const sent: Promise<SendfileResult>[] = []
    around(res, () => sent.push(sendfile(res, file.path)))
    return sent[0]!
  })
  // Node 26 combines the writes of one tick into one chunk, older versions do not.
  if (IN_KERNEL) t.deepEqual(response.chunks, stock.chunks)
  t.is(response.framing, 'chunked')
  bodyIs(t, response, Buffer.concat([Buffer.from('head'), file.bytes, Buffer.from('tailend')]))
  t.is(result.method, METHOD)
})

for (const { name, options, from, to } of [
  { name: 'offset', options: { offset: 123_456 }, from: 123_456, to: SIZE },
  { name: 'count', options: { count: 200_000 }, from: 0, to: 200_000 },
  { name: 'offset and count', options: { offset: 99_999, count: 300_001 }, from: 99_999, to: 400_000 },
]) {
  test(`206 with ${name}`, async (t) => {
    const range = `bytes ${from}-${to - 1}/${SIZE}`
    const { response, result } = await exchange(t, (res) => {
      res.writeHead(206, { 'Content-Range': range, 'Content-Length': to - from })
      return sendfile(res, file.path, { ...options, end: true })
    })
    t.deepEqual([response.status, response.headers.get('content-range')], [206, range])
    bodyIs(t, response, file.bytes.subarray(from, to))
    t.deepEqual([result.bytesSent, result.offset, result.method], [to - from, to, METHOD])
  })
}

for (const { name, path, options } of [
  { name: 'an empty file', path: empty.path, options: {} },
  { name: 'count 0', path: file.path, options: { count: 0 } },
  { name: 'an offset beyond the end', path: file.path, options: { offset: SIZE + 5 } },
]) {
  test(`${name} with end: true is a body of length 0`, async (t) => {
    const { response, result } = await exchange(t, (res) => sendfile(res, path, { ...options, end: true }))
    t.deepEqual([response.status, response.headers.get('content-length')], [200, '0'])
    t.deepEqual([result.bytesSent, result.syscalls], [0, 0])
  })

  test(`${name} writes no chunk, which would end the body`, async (t) => {
    const { response, result } = await exchange(t, async (res) => {
      res.write('head')
      const sent = await sendfile(res, path, options)
      res.end('tail')
      return sent
    })
    t.deepEqual(response.chunks, [4, 4])
    t.is(response.body.toString(), 'headtail')
    t.is(result.bytesSent, 0)
  })
}

test('trailers follow the file', async (t) => {
  const { response } = await exchange(t, async (res) => {
    res.setHeader('Trailer', 'X-Digest')
    const result = await sendfile(res, file.path)
    res.addTrailers({ 'X-Digest': sha256(file.bytes) })
    res.end()
    return result
  })
  t.is(response.framing, 'chunked')
  bodyIs(t, response, file.bytes)
  t.is(response.trailers.get('x-digest'), sha256(response.body))
})

test('HTTP/1.0 receives no chunks; the end of the connection ends the body', async (t) => {
  const { response, result } = await exchange(t, (res) => sendThenEnd(res), { version: '1.0' })
  t.is(response.framing, 'close')
  t.false(response.headers.has('transfer-encoding'))
  bodyIs(t, response, file.bytes)
  t.is(result.method, METHOD)
})

test('HTTP/1.0 with keep-alive and a length keeps the connection', async (t) => {
  const request = { version: '1.0', headers: { connection: 'keep-alive' } }
  const { response } = await exchange(t, (res) => sendfile(res, file.path, { end: true }), request)
  t.is(response.framing, 'length')
  bodyIs(t, response, file.bytes)
})

test('Connection: close ends the connection after the last byte', async (t) => {
  const results: SendfileResult[] = []
  const { connect, answered } = await serve(t, async (_, response) => {
    results.push(await sendfile(response, file.path, { end: true }))
  })
  const client = await connect()
  const ended = new Promise((resolve) => {
    client.socket.once('end', resolve)
  })
  bodyIs(t, await client.request('/', { headers: { connection: 'close' } }), file.bytes)
  await ended
  await answered()
  t.is(results[0]!.bytesSent, SIZE)
})

test('a file that was truncated after its length was sent destroys the connection', async (t) => {
  const errors: unknown[] = []
  const { connect, answered } = await serve(t, async (_, response) => {
    response.setHeader('Content-Length', SIZE + 10)
    const sent = sendfile(response, file.path, { count: SIZE + 10, end: true })
    errors.push(await t.throwsAsync(sent, { code: 'ERR_SENDFILE_TRUNCATED' }))
  })
  const client = await connect()
  const error = await t.throwsAsync(client.request('/'), { name: 'Unanswered' })
  t.regex(error.message, new RegExp(`after ${SIZE} bytes`))
  await answered()
  t.like(errors[0], { bytesSent: SIZE, offset: SIZE, path: file.path })
})
