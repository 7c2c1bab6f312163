// sendfile(): a message on a connection that stays open never has more or fewer bytes than its Content-Length.
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, createWriteStream, writeFileSync } from 'node:fs'
import http from 'node:http'
import test, { type ExecutionContext } from 'ava'

import { sendfile, type SendfileError, type SendfileOptions } from '../../index.ts'
import { kernelTest } from '../fixtures/executor.ts'
import { type RawResponse, Unanswered } from '../fixtures/http-client.ts'
import { sampleDirectory, sampleFile } from '../fixtures/sample-file.ts'
import { serve } from '../fixtures/servers.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { receiveUploads } from '../fixtures/uploads.ts'
import { within } from '../fixtures/within.ts'

const SIZE = 124
const file = sampleFile(SIZE)
const head = Buffer.from('head: ')
const tail = Buffer.from(' :tail')

/** The responses to two requests on one connection; the second handler only writes 'again'. */
async function twice(
  t: ExecutionContext,
  answer: (response: http.ServerResponse) => Promise<void>,
): Promise<(RawResponse | Unanswered)[]> {
  const handler = async (request: http.IncomingMessage, response: http.ServerResponse): Promise<void> => {
    if (request.url === '/again') response.end('again')
    else await answer(response)
  }
  const { connect, answered } = await serve(t, handler, { keepAliveTimeout: 60_000 })
  const client = await connect()
  const answers = client.pipeline(['/', '/again'])
  const settled = await within(Promise.allSettled(answers), 'both answers')
  await answered()
  return settled.map((result) => (result.status === 'fulfilled' ? result.value : (result.reason as Unanswered)))
}

/** What it rejects with. */
async function failureOf(promise: Promise<unknown>): Promise<SendfileError> {
  const error: unknown = await promise.then(
    () => new Error('resolved'),
    (reason: unknown) => reason,
  )
  if (!(error instanceof Error)) throw new Error('no error')
  return error as SendfileError
}

function answeredWith(t: ExecutionContext, [first, second]: (RawResponse | Unanswered)[], body: Uint8Array): void {
  if (!('body' in first!) || !('body' in second!)) return t.fail('the connection ended')
  t.is(sha256(first.body), sha256(body))
  t.is(second.body.toString(), 'again')
}

const announcements: { name: string; announce: (response: http.ServerResponse, length: number) => void }[] = [
  { name: 'a number', announce: (response, length) => void response.setHeader('Content-Length', length) },
  { name: 'a string', announce: (response, length) => void response.setHeader('content-length', `${length}`) },
  { name: 'spaces', announce: (response, length) => void response.setHeader('Content-Length', ` ${length} `) },
  { name: 'an array', announce: (response, length) => void response.setHeader('Content-Length', [`${length}`]) },
  { name: 'writeHead', announce: (response, length) => void response.writeHead(200, { 'Content-Length': length }) },
  {
    name: 'writeHead with an array',
    announce: (response, length) => void response.writeHead(200, ['Content-Length', `${length}`]),
  },
  {
    name: 'headers that are sent',
    announce(response, length) {
      response.writeHead(200, { 'Content-Length': length })
      response.flushHeaders()
    },
  },
]

for (const { name, announce } of announcements) {
  for (const length of [11, 200]) {
    test(`a file of ${SIZE} bytes is refused if ${name} says ${length}, and the response stays usable`, async (t) => {
      const answers = await twice(t, async (response) => {
        announce(response, length)
        const error = await failureOf(sendfile(response, file.path, { end: true }))
        t.like(error, { code: 'ERR_HTTP_CONTENT_LENGTH_MISMATCH', name: 'Error', bytesSent: 0, offset: 0 })
        t.true(error.message.includes(`${SIZE} byte(s)`) && error.message.includes(`${length} byte(s)`))
        response.end('x'.repeat(length))
      })
      answeredWith(t, answers, Buffer.from('x'.repeat(length)))
    })
  }

  test(`a file of ${SIZE} bytes is sent if ${name} says so`, async (t) => {
    const answers = await twice(t, async (response) => {
      announce(response, SIZE)
      const { bytesSent } = await sendfile(response, file.path, { end: true })
      t.is(bytesSent, SIZE)
    })
    answeredWith(t, answers, file.bytes)
  })
}

test("headers and trailers count towards the length, and the error is Node's", async (t) => {
  const around: SendfileOptions = { headers: [head], trailers: [tail], end: true }
  const whole = Buffer.concat([head, file.bytes, tail])
  const answers = await twice(t, async (response) => {
    response.setHeader('Content-Length', SIZE)
    const ours = await failureOf(sendfile(response, file.path, around))
    response.strictContentLength = true
    response.setHeader('Content-Length', whole.length)
    let nodes: unknown
    const strict = Object.assign(new http.ServerResponse(response.req), { strictContentLength: true })
    try {
      strict.writeHead(200, { 'Content-Length': SIZE }).write(whole)
    } catch (error) {
      nodes = error
    }
    t.is(ours.message, (nodes as Error).message)
    t.is(ours.constructor, (nodes as Error).constructor)
    await sendfile(response, file.path, around)
  })
  answeredWith(t, answers, whole)
})

test('two transfers whose sum is the length are sent', async (t) => {
  const answers = await twice(t, async (response) => {
    response.setHeader('Content-Length', 2 * SIZE)
    await Promise.all([sendfile(response, file.path), sendfile(response, file.path, { end: true })])
  })
  answeredWith(t, answers, Buffer.concat([file.bytes, file.bytes]))
})

test('all bytes written to the message count, by any writer at any time', async (t) => {
  const answers = await twice(t, async (response) => {
    response.writeHead(200, { 'Content-Length': head.length + SIZE + tail.length })
    response.write(head.toString())
    t.like(await failureOf(sendfile(response, file.path, { end: true })), { code: 'ERR_HTTP_CONTENT_LENGTH_MISMATCH' })
    await sendfile(response, file.path)
    t.like(await failureOf(sendfile(response, file.path)), { code: 'ERR_HTTP_CONTENT_LENGTH_MISMATCH' })
    response.end(tail)
  })
  answeredWith(t, answers, Buffer.concat([head, file.bytes, tail]))
})

test('a range shorter than the length is sent, and the rest can be written after it', async (t) => {
  const answers = await twice(t, async (response) => {
    response.setHeader('Content-Length', 150)
    await sendfile(response, file.path, { count: 100 })
    response.end('y'.repeat(50))
  })
  answeredWith(t, answers, Buffer.concat([file.bytes.subarray(0, 100), Buffer.from('y'.repeat(50))]))
})

test("a response ended before its length is destroyed and does not emit 'finish'", async (t) => {
  const events: string[] = []
  const [first, second] = await twice(t, async (response) => {
    for (const event of ['finish', 'close']) response.on(event, () => events.push(event))
    response.setHeader('Content-Length', 200)
    await sendfile(response, file.path)
    response.end()
    await once(response, 'close')
    t.like(response.errored, { code: 'ERR_SENDFILE_TRUNCATED' })
  })
  t.true(first instanceof Unanswered && second instanceof Unanswered)
  t.true((first as Unanswered).partialBody.equals(file.bytes.subarray(0, (first as Unanswered).partialBody.length)))
  t.deepEqual(events, ['close'])
})

test('a file that was truncated before it is opened is refused', async (t) => {
  const { path } = sampleFile(300_000)
  const answers = await twice(t, async (response) => {
    response.setHeader('Content-Length', 300_000)
    writeFileSync(path, Buffer.alloc(100_000, 'n'))
    const error = await failureOf(sendfile(response, path, { end: true }))
    t.is(error.code, 'ERR_HTTP_CONTENT_LENGTH_MISMATCH')
    response.destroy()
  })
  t.true(answers.every((answer) => answer instanceof Unanswered))
})

kernelTest('a file that grows while it is sent sends its original length', async (t) => {
  const { path, bytes } = sampleFile(3 << 20)
  const answers = await twice(t, async (response) => {
    response.setHeader('Content-Length', bytes.length)
    const sent = sendfile(response, path, { end: true })
    appendFileSync(path, Buffer.alloc(100_000))
    t.is((await sent).bytesSent, bytes.length)
  })
  answeredWith(t, answers, bytes)
})

for (const { name, written, whole } of [
  { name: 'more', written: 100_000, whole: true },
  { name: 'fewer', written: 1000, whole: false },
]) {
  test(`a FIFO with ${name} bytes than the length`, async (t) => {
    const path = `${sampleDirectory()}/announced-${name}`
    execFileSync('mkfifo', [path])
    const answers = await twice(t, async (response) => {
      response.setHeader('Content-Length', 70_000)
      const sent = sendfile(response, path, { end: true })
      createWriteStream(path)
        .on('error', () => {})
        .end(Buffer.alloc(written, 'f'))
      if (whole) t.is((await sent).bytesSent, 70_000)
      else t.like(await failureOf(sent), { code: 'ERR_SENDFILE_TRUNCATED', bytesSent: written })
    })
    if (whole) answeredWith(t, answers, Buffer.alloc(70_000, 'f'))
    else t.true(answers.every((answer) => answer instanceof Unanswered))
  })
}

for (const status of [204, 304]) {
  test(`a ${status} may announce a length without a body`, async (t) => {
    const answers = await twice(t, async (response) => {
      response.statusCode = status
      if (status === 304) response.setHeader('Content-Length', 5)
      t.is((await sendfile(response, file.path, { end: true })).bytesSent, 0)
    })
    answeredWith(t, answers, Buffer.alloc(0))
  })
}

test('an upload is checked against its length', async (t) => {
  const uploads = await receiveUploads(t)
  for (let round = 0; round < 2; round += 1) {
    const request = uploads.request(SIZE)
    await uploads.answered(request, async () => {
      t.like(await failureOf(sendfile(request, file.path, { headers: [head] })), {
        code: 'ERR_HTTP_CONTENT_LENGTH_MISMATCH',
      })
      return sendfile(request, file.path, { end: true })
    })
  }
  t.deepEqual(
    uploads.bodies.map((body) => sha256(body)),
    [sha256(file.bytes), sha256(file.bytes)],
  )
})
