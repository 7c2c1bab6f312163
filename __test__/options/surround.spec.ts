import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import { fileURLToPath } from 'node:url'

import test from 'ava'

import { sendfile } from '../../index.ts'
import { capture, captureProblem } from '../fixtures/capture.ts'
import { TYPESCRIPT } from '../fixtures/child-process.ts'
import { connectedPair } from '../fixtures/connected-pair.ts'
import { kernelSerial } from '../fixtures/executor.ts'
import { sampleBytes, sampleDirectory, sampleFile } from '../fixtures/sample-file.ts'
import { listen, serve } from '../fixtures/servers.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { within } from '../fixtures/within.ts'

const file = sampleFile(5000)
const parts = { headers: [sampleBytes(70, 2), sampleBytes(30, 3)], trailers: sampleBytes(200, 4) }
const whole = [...parts.headers, file.bytes, parts.trailers]
const LENGTH = 5300

test('with `end`, the Content-Length of a message includes headers and trailers', async (t) => {
  const { connect, answered } = await serve(t, async (_, response) => {
    await sendfile(response, file.path, { ...parts, end: true })
  })
  const { headers, body } = await within((await connect()).request('/'), 'the answer')
  t.is(headers.get('content-length'), String(LENGTH))
  t.is(sha256(body), sha256(...whole))
  await answered()
})

test('strictContentLength counts headers and trailers', async (t) => {
  const { connect, answered } = await serve(t, async (_, response) => {
    response.strictContentLength = true
    response.setHeader('content-length', LENGTH)
    await sendfile(response, file.path, parts)
    response.end()
  })
  const client = await connect()
  t.is(sha256((await within(client.request('/'), 'the answer')).body), sha256(...whole))
  t.is(sha256((await within(client.request('/'), 'the next answer')).body), sha256(...whole))
  await answered()
})

test('headers and trailers are part of the chunk that carries the file', async (t) => {
  const { connect, answered } = await serve(t, async (_, response) => {
    response.write('before')
    await sendfile(response, file.path, parts)
    response.end('after')
  })
  const { headers, body } = await within((await connect()).request('/'), 'the answer')
  t.is(headers.get('transfer-encoding'), 'chunked')
  t.is(sha256(body), sha256(Buffer.from('before'), ...whole, Buffer.from('after')))
  await answered()
})

test('headers and trailers are copied by the call; later changes are not sent', async (t) => {
  const { near, received } = await connectedPair(t)
  const mine = Buffer.from('mine')
  near.write(Buffer.alloc(2 ** 20))
  const sending = sendfile(near, file.path, { headers: mine, trailers: [mine] })
  mine.fill('!')
  await sending
  near.end()
  await within(received.closed, 'the end')
  const found = received.bytes.subarray(2 ** 20)
  t.is(sha256(found), sha256(Buffer.from('mine'), file.bytes, Buffer.from('mine')))
})

for (const [name, said] of [
  ['headers, a small file and trailers', parts],
  ['headers and a small file', { headers: parts.headers }],
  ['a small file and trailers', { trailers: parts.trailers }],
] as const) {
  kernelSerial(`${name} are sent in one TCP segment`, async (t) => {
    if (captureProblem !== undefined) return (void t.log(`skipped: ${captureProblem}`), t.pass())
    const { near, received } = await connectedPair(t)
    const seen = await capture(t, Number(near.localPort))
    await sendfile(near, file.path, { ...said, end: true })
    await within(received.closed, 'the end')
    t.deepEqual(await seen.segments(), [received.length])
  })
}

test.serial('separate writes are separate TCP segments in the capture', async (t) => {
  if (captureProblem !== undefined) return (void t.log(`skipped: ${captureProblem}`), t.pass())
  const { near, received } = await connectedPair(t)
  const seen = await capture(t, Number(near.localPort))
  near.write(Buffer.concat(parts.headers))
  await sendfile(near, file.path, { end: true })
  await within(received.closed, 'the end')
  t.deepEqual(await seen.segments(), [100, 5000])
})

kernelSerial('the head of a message, headers and a small file are sent in one TCP segment', async (t) => {
  if (captureProblem !== undefined) return (void t.log(`skipped: ${captureProblem}`), t.pass())
  const server = http.createServer((_, response) => {
    response.setHeader('connection', 'close')
    void sendfile(response, file.path, { ...parts, end: true })
  })
  const port = await listen(t, server)
  const seen = await capture(t, port)
  const body = await new Promise<number>((resolve, reject) => {
    http
      .get({ port, host: '127.0.0.1', agent: false }, (answer) => {
        let length = 0
        answer.on('data', (chunk: Buffer) => {
          length += chunk.length
        })
        answer.on('end', () => resolve(length))
      })
      .on('error', reject)
  })
  t.is(body, LENGTH)
  const segments = await seen.segments()
  t.is(segments.length, 1, segments.join(' '))
  t.true((segments[0] ?? 0) > LENGTH)
})

const large = sampleFile(24 * 2 ** 20)
const script = fileURLToPath(new URL('../fixtures/children/corked.ts', import.meta.url))
const straceIsThere = spawnSync('strace', ['-V']).status === 0

for (const [how, path, codes] of [
  ['success', large.path, ['']],
  ['truncation', file.path, ['ERR_SENDFILE_TRUNCATED']],
  ['abort', large.path, ['ABORT_ERR']],
  // ECONNRESET is reported once (tcp(7)): after libuv has received it, the next call fails with EPIPE
  ['reset', large.path, ['ECONNRESET', 'EPIPE']],
] as const) {
  kernelSerial(`TCP_CORK is removed after: ${how}`, (t) => {
    t.timeout(60_000)
    if (!straceIsThere) return (void t.log('skipped: strace cannot be run'), t.pass())
    const log = `${sampleDirectory()}/corked-${how}.strace`
    const node = [process.execPath, TYPESCRIPT, script, path, how]
    const options = ['-f', '-qq', '-e', 'trace=setsockopt,sendto,write,writev', '-e', 'signal=none', '-o', log]
    const printed = execFileSync('strace', [...options, ...node], { encoding: 'utf8', timeout: 50_000 })
    const reported: { code: string; bytesSent: number; length: number } = JSON.parse(printed)
    t.true(
      codes.some((code) => code === reported.code),
      reported.code,
    )
    const trailers = how === 'success' ? 100 : 0
    if (how !== 'reset') t.is(reported.length, 100 + reported.bytesSent + trailers + 'a small write'.length)
    const lines = readFileSync(log, 'latin1').split('\n')
    const corks = lines.filter((line) => line.includes('TCP_CORK'))
    t.true(
      corks.some((line) => line.includes('TCP_CORK, [1]')),
      'it was there',
    )
    t.regex(corks.at(-1) ?? '', /TCP_CORK, \[0\]/)
    const afterwards = lines.findIndex((line) => line.includes('a small write'))
    const last = lines.findLastIndex((line) => line.includes('TCP_CORK'))
    if (how !== 'reset') t.true(last < afterwards, 'before anything else is written')
  })
}
