// Where http drops the body or checks its length, sendfile() reports it, and the connection stays usable.
import http, { type ServerOptions, type ServerResponse } from 'node:http'
import test, { type ExecutionContext } from 'ava'

import { sendfile, type SendfileResult } from '../../index.ts'
import type { RawResponse, RequestParts } from '../fixtures/http-client.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { serve } from '../fixtures/servers.ts'
import { sha256 } from '../fixtures/sha256.ts'

const SIZE = 300_007
const file = sampleFile(SIZE)

/** Responds to '/' by `send`, then checks that the next request on the connection receives the whole file. */
async function thenWhole(
  t: ExecutionContext,
  send: (response: ServerResponse) => Promise<void>,
  request: RequestParts = {},
  options: ServerOptions = {},
): Promise<RawResponse> {
  const { connect } = await serve(
    t,
    async (incoming, response) => {
      if (incoming.url === '/whole') await sendfile(response, file.path, { end: true })
      else await send(response)
    },
    options,
  )
  const client = await connect()
  const response = await client.request('/', request)
  const whole = await client.request('/whole')
  t.is(sha256(whole.body), sha256(file.bytes))
  return response
}

const bodyless: readonly { name: string; status: number; request: RequestParts; length: string | undefined }[] = [
  { name: 'HEAD', status: 200, request: { method: 'HEAD' }, length: `${SIZE}` },
  { name: '204', status: 204, request: {}, length: undefined },
  { name: '304', status: 304, request: {}, length: undefined },
]

for (const { name, status, request, length } of bodyless) {
  for (const end of [true, false]) {
    test(`${name} with end: ${end} sends no byte and reports 0 bytes`, async (t) => {
      const results: SendfileResult[] = []
      const response = await thenWhole(
        t,
        async (res) => {
          res.statusCode = status
          results.push(await sendfile(res, file.path, { end }))
          if (!end) res.end()
        },
        request,
      )
      t.is(response.status, status)
      t.is(response.headers.get('content-length'), end ? length : undefined)
      t.is(response.body.length, 0)
      t.like(results[0], { bytesSent: 0, offset: 0, syscalls: 0 })
    })
  }

  test(`${name} fails on a server that rejects such writes, as a stock stream does`, async (t) => {
    const errors: unknown[] = []
    await thenWhole(
      t,
      async (res) => {
        res.statusCode = status
        t.throws(() => res.write('stock'), { code: 'ERR_HTTP_BODY_NOT_ALLOWED' })
        errors.push(await t.throwsAsync(sendfile(res, file.path), { code: 'ERR_HTTP_BODY_NOT_ALLOWED' }))
        res.end()
      },
      request,
      { rejectNonStandardBodyWrites: true },
    )
    t.like(errors[0], { bytesSent: 0, offset: 0 })
  })
}

/** The result for a response with `strictContentLength` and a Content-Length of `length`. */
async function strictly(
  t: ExecutionContext,
  length: number,
  send: (response: ServerResponse) => Promise<void>,
): Promise<RawResponse> {
  const { connect } = await serve(t, async (_, response) => {
    response.strictContentLength = true
    response.setHeader('Content-Length', length)
    await send(response)
  })
  const client = await connect()
  return client.request('/')
}

test('strictContentLength counts the bytes that the kernel sends', async (t) => {
  const response = await strictly(t, SIZE + 8, async (res) => {
    res.write('head')
    await sendfile(res, file.path)
    res.end('tail')
  })
  const expected = sha256(Buffer.from('head'), file.bytes, Buffer.from('tail'))
  t.is(sha256(response.body), expected)
})

test('strictContentLength refuses a file that is too long before any byte is sent', async (t) => {
  const errors: unknown[] = []
  const response = await strictly(t, SIZE - 1, async (res) => {
    res.flushHeaders() // Node knows the length once the headers are fixed
    t.throws(() => res.write(file.bytes), { code: 'ERR_HTTP_CONTENT_LENGTH_MISMATCH' })
    const sent = sendfile(res, file.path)
    errors.push(await t.throwsAsync(sent, { code: 'ERR_HTTP_CONTENT_LENGTH_MISMATCH' }))
    res.end(file.bytes.subarray(0, SIZE - 1))
  })
  t.is(sha256(response.body), sha256(file.bytes.subarray(0, SIZE - 1)))
  t.like(errors[0], { bytesSent: 0, offset: 0 })
})

test('strictContentLength refuses a file that is too short for end: true before any byte is sent', async (t) => {
  const errors: unknown[] = []
  const answered = strictly(t, SIZE + 1, async (res) => {
    const sent = sendfile(res, file.path, { end: true })
    errors.push(await t.throwsAsync(sent, { code: 'ERR_HTTP_CONTENT_LENGTH_MISMATCH' }))
    res.destroy()
  })
  const error = await t.throwsAsync(answered, { name: 'Unanswered' })
  t.regex(error.message, /after 0 bytes/)
  t.like(errors[0], { bytesSent: 0, offset: 0 })
})

test('a stock client parses the responses', async (t) => {
  const { port } = await serve(t, async (_, response) => {
    await sendfile(response, file.path, { end: true })
  })
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const bodies = await Promise.all(
    ['/1', '/2', '/3'].map(
      (path) =>
        new Promise<string>((resolve, reject) => {
          const request = http.get({ port, path, agent, host: '127.0.0.1' }, (response) => {
            const chunks: Buffer[] = []
            response.on('data', (chunk: Buffer) => chunks.push(chunk))
            response.on('end', () => resolve(sha256(...chunks)))
          })
          request.on('error', reject)
        }),
    ),
  )
  t.deepEqual(new Set(bodies), new Set([sha256(file.bytes)]))
})

test('strictContentLength refuses a file that is too long also before the headers are fixed', async (t) => {
  const response = await strictly(t, SIZE - 1, async (res) => {
    await t.throwsAsync(sendfile(res, file.path), { code: 'ERR_HTTP_CONTENT_LENGTH_MISMATCH' })
    t.false(res.headersSent || res.destroyed)
    res.end(file.bytes.subarray(1))
  })
  t.is(sha256(response.body), sha256(file.bytes.subarray(1)))
})
