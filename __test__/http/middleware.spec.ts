// Replaced methods on a response: the kernel may bypass them if they are known not to change the body.
import { gunzipSync } from 'node:zlib'
import type { ServerResponse } from 'node:http'
import test, { type ExecutionContext } from 'ava'

import { sendfile, type SendfileResult } from '../../index.ts'
import { FALLBACK_CODES, IN_KERNEL, METHOD, fallbackCode } from '../fixtures/executor.ts'
import type { RawResponse, RequestParts } from '../fixtures/http-client.ts'
import { beforeHeaders, compress, observeBody } from '../fixtures/middleware.ts'
import { sampleFile, writeSample } from '../fixtures/sample-file.ts'
import { serve } from '../fixtures/servers.ts'
import { sha256 } from '../fixtures/sha256.ts'

const SIZE = 1_500_003
const file = sampleFile(SIZE)
const never = (): boolean => false
const always = (): boolean => true

type Send = (response: ServerResponse) => Promise<SendfileResult>

const sendAndEnd: Send = (response) => sendfile(response, file.path, { end: true })
const sendThenEnd: Send = async (response) => {
  const result = await sendfile(response, file.path)
  response.end()
  return result
}

async function exchange(
  t: ExecutionContext,
  send: Send,
  request?: RequestParts,
): Promise<{ response: RawResponse; result: SendfileResult }> {
  const results: SendfileResult[] = []
  const { connect, answered } = await serve(t, async (_, response) => {
    results.push(await send(response))
  })
  const response = await (await connect()).request('/', request)
  await answered()
  return { response, result: results[0]! }
}

function byKernel(t: ExecutionContext, result: SendfileResult): void {
  t.like(result, { method: METHOD, bytesSent: SIZE, offset: SIZE })
  t.deepEqual(
    result.fallbacks.map(({ code }) => code),
    FALLBACK_CODES,
  )
  t.is(result.syscalls > 0, IN_KERNEL)
}

function byCopy(t: ExecutionContext, result: SendfileResult): void {
  t.like(result, { method: 'copy', bytesSent: SIZE, offset: SIZE, syscalls: 0 })
  t.deepEqual(
    result.fallbacks.map(({ from, to, code }) => [from, to, code]),
    [['sendfile', 'copy', fallbackCode('WRAPPED')]],
  )
}

test('compression that declines: the kernel sends the file with end: true', async (t) => {
  const { response, result } = await exchange(t, (res) => {
    compress(res, never)
    return sendAndEnd(res)
  })
  t.is(response.headers.get('content-length'), `${SIZE}`)
  t.is(sha256(response.body), sha256(file.bytes))
  byKernel(t, result)
})

test('compression that declines: the kernel sends the file if Content-Length is exactly its size', async (t) => {
  const { response, result } = await exchange(t, (res) => {
    compress(res, never)
    res.writeHead(200, { 'Content-Length': SIZE, 'Content-Type': 'video/mp4' })
    return sendThenEnd(res)
  })
  t.is(response.headers.get('content-type'), 'video/mp4')
  t.is(sha256(response.body), sha256(file.bytes))
  byKernel(t, result)
})

test('compression that declines: the file is copied without a Content-Length', async (t) => {
  const { response, result } = await exchange(t, (res) => {
    compress(res, never)
    return sendThenEnd(res)
  })
  t.is(response.framing, 'chunked')
  t.is(sha256(response.body), sha256(file.bytes))
  byCopy(t, result)
})

for (const [name, send] of [
  ['end: true', sendAndEnd],
  ['a separate end()', sendThenEnd],
] as const) {
  test(`compression that compresses, ${name}: the file is copied through it`, async (t) => {
    const { response, result } = await exchange(t, (res) => {
      compress(res, always)
      return send(res)
    })
    t.is(response.headers.get('content-encoding'), 'gzip')
    t.false(response.headers.has('content-length'))
    t.is(sha256(gunzipSync(response.body)), sha256(file.bytes))
    byCopy(t, result)
  })

  test(`middleware that replaces only writeHead, ${name}: the kernel sends the file`, async (t) => {
    const { response, result } = await exchange(t, (res) => {
      beforeHeaders(res, () => res.setHeader('X-Response-Time', '1ms'))
      return send(res)
    })
    t.is(response.headers.get('x-response-time'), '1ms')
    t.is(sha256(response.body), sha256(file.bytes))
    byKernel(t, result)
  })
}

test.serial('compression waits for a slow client without accumulating listeners', async (t) => {
  const warnings: Error[] = []
  const onWarning = (warning: Error): void => void warnings.push(warning)
  process.on('warning', onWarning)
  t.teardown(() => process.off('warning', onWarning))
  const { response, result } = await exchange(t, (res) => {
    compress(res, always)
    return sendAndEnd(res)
  })
  await new Promise(setImmediate) // warnings are emitted in a tick of their own
  t.is(sha256(gunzipSync(response.body)), sha256(file.bytes))
  t.true(result.wouldBlock > 10)
  t.deepEqual(
    warnings.map(({ message }) => message),
    [],
  )
})

test('several middleware functions: the kernel sends the file if all of them decline', async (t) => {
  const { response, result } = await exchange(t, (res) => {
    beforeHeaders(res, () => res.setHeader('X-Log', 'yes'))
    compress(res, never)
    beforeHeaders(res, () => res.setHeader('X-Time', 'now'))
    return sendAndEnd(res)
  })
  t.deepEqual([response.headers.get('x-log'), response.headers.get('x-time')], ['yes', 'now'])
  t.is(sha256(response.body), sha256(file.bytes))
  byKernel(t, result)
})

test('middleware that observes a body of unknown length receives every byte', async (t) => {
  const observed: Buffer[] = []
  const { response, result } = await exchange(t, async (res) => {
    observeBody(res, (chunk) => observed.push(chunk))
    res.write('head')
    const sent = await sendfile(res, file.path, { offset: 1000 })
    res.end('tail')
    return sent
  })
  t.is(response.framing, 'chunked')
  t.is(sha256(response.body), sha256(Buffer.from('head'), file.bytes.subarray(1000), Buffer.from('tail')))
  t.is(sha256(...observed), sha256(response.body))
  t.deepEqual(
    [result.method, result.fallbacks[0]?.code, result.bytesSent],
    ['copy', fallbackCode('WRAPPED'), SIZE - 1000],
  )
})

test('a Content-Length larger than the file does not bypass middleware', async (t) => {
  const observed: Buffer[] = []
  const { response, result } = await exchange(t, async (res) => {
    observeBody(res, (chunk) => observed.push(chunk))
    res.setHeader('Content-Length', SIZE + 4)
    const sent = await sendfile(res, file.path)
    res.end('tail')
    return sent
  })
  t.is(sha256(response.body), sha256(file.bytes, Buffer.from('tail')))
  t.is(sha256(...observed), sha256(response.body))
  byCopy(t, result)
})

test('a Content-Encoding set by the user does not bypass middleware, and the body stays unchanged', async (t) => {
  const { response, result } = await exchange(t, (res) => {
    compress(res, never)
    res.setHeader('Content-Encoding', 'br')
    return sendAndEnd(res)
  })
  t.is(response.headers.get('content-encoding'), 'br')
  t.is(sha256(response.body), sha256(file.bytes))
  byCopy(t, result)
})

test('middleware installed after the call sees only bytes written after the call', async (t) => {
  const observed: Buffer[] = []
  const { response, result } = await exchange(t, async (res) => {
    const sent = sendfile(res, file.path)
    observeBody(res, (chunk) => observed.push(chunk))
    res.write('more')
    res.end('tail')
    return sent
  })
  t.is(sha256(response.body), sha256(file.bytes, Buffer.from('moretail')))
  t.is(Buffer.concat(observed).toString(), 'moretail')
  byKernel(t, result)
})

test('HEAD through compression has no body and the length of the file', async (t) => {
  const send: Send = (res) => {
    compress(res, never)
    return sendAndEnd(res)
  }
  const { response, result } = await exchange(t, send, { method: 'HEAD' })
  t.is(response.headers.get('content-length'), `${SIZE}`)
  t.is(result.bytesSent, 0)
})

test("method 'sendfile' is refused if a wrapper must see the bytes, and the response stays usable", async (t) => {
  const small = writeSample(Buffer.from('small'))
  const { response } = await exchange(t, async (res) => {
    observeBody(res, () => {})
    await t.throwsAsync(sendfile(res, file.path, { method: 'sendfile' }), { code: 'ERR_SENDFILE_UNSUPPORTED' })
    return sendfile(res, small, { end: true })
  })
  t.is(response.body.toString(), 'small')
})
