// While another thread opens a file, calls on the message wait, in order.
import { createReadStream } from 'node:fs'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { AsyncLocalStorage } from 'node:async_hooks'
import test, { type ExecutionContext } from 'ava'

import { descriptorsSettleAt, restingDescriptors } from '../fixtures/descriptors.ts'
import type { RawResponse } from '../fixtures/http-client.ts'
import { compress, observeBody } from '../fixtures/middleware.ts'
import { sampleDirectory, sampleFile } from '../fixtures/sample-file.ts'
import { serve } from '../fixtures/servers.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { within } from '../fixtures/within.ts'

// Without RESOLVE_CACHED every file is opened asynchronously. Read when the package is loaded.
process.env.SENDFILE64_WITHOUT = 'openat2'
const { sendfile, SendfileError } = await import('../../index.ts')
const { METHOD, fallbackCode } = await import('../fixtures/executor.ts')

const SIZE = 800_000
const file = sampleFile(SIZE)
const other = sampleFile(SIZE / 2, 2)
const missing = join(sampleDirectory(), 'missing.bin')
const text = (value: string): Buffer => Buffer.from(value)

const HELD = ['write', 'end', 'writeHead', 'flushHeaders']
const ownMethods = (response: object): string[] =>
  Object.getOwnPropertyNames(response).filter((name) => HELD.includes(name))

async function answerTo(
  t: ExecutionContext,
  handler: (response: ServerResponse) => Promise<void>,
): Promise<RawResponse> {
  const { connect, answered } = await serve(t, (_, response) => handler(response))
  const response = await (await connect()).request('/')
  await answered()
  return response
}

function bodyIs(t: ExecutionContext, { body }: RawResponse, ...expected: Buffer[]): void {
  t.is(body.length, Buffer.concat(expected).length)
  t.is(sha256(body), sha256(...expected))
}

test('writes during the opening of the file are sent after it, and the held methods are restored', async (t) => {
  const answer = await answerTo(t, async (response) => {
    response.write('before ')
    const sent = sendfile(response, file.path)
    t.deepEqual(ownMethods(response), HELD)
    t.false(response.write('held '))
    const drained = once(response, 'drain')
    const { bytesSent, method } = await sent
    t.deepEqual([bytesSent, method], [SIZE, METHOD])
    await drained
    t.deepEqual(ownMethods(response), [])
    t.is(response.write, Object.getPrototypeOf(response).write)
    response.end('after')
  })
  bodyIs(t, answer, text('before '), file.bytes, text('held after'))
})

test('end() waits and calls its callback', async (t) => {
  const answer = await answerTo(t, async (response) => {
    const sent = sendfile(response, file.path)
    const written = new Promise<void>((resolve) => {
      response.write('6d696464', 'hex', () => resolve())
    })
    const ended = new Promise<void>((resolve) => {
      t.is(response.end('tail', resolve), response)
    })
    t.is((await sent).bytesSent, SIZE)
    await Promise.all([written, ended])
    t.true(response.writableFinished)
  })
  bodyIs(t, answer, file.bytes, text('middtail'))
})

test('writeHead() behaves as after the headers were sent; an earlier setHeader() still applies', async (t) => {
  const answer = await answerTo(t, async (response) => {
    response.statusCode = 203
    const sent = sendfile(response, file.path, { end: true })
    t.throws(() => response.writeHead(500), { code: 'ERR_HTTP_HEADERS_SENT' })
    response.flushHeaders()
    await sent
    t.deepEqual(ownMethods(response), [])
  })
  t.is(answer.status, 203)
  t.is(answer.headers.get('content-length'), `${SIZE}`)
  bodyIs(t, answer, file.bytes)
})

test('transfers and writes keep the order of their calls', async (t) => {
  const answer = await answerTo(t, async (response) => {
    response.write('1')
    const first = sendfile(response, file.path)
    response.write('2')
    const second = sendfile(response, other.path, { offset: 10, count: 1000 })
    const third = sendfile(response, file.path, { offset: SIZE - 5 })
    response.write('3')
    const fourth = sendfile(response, other.path)
    response.end('4')
    const results = await Promise.all([first, second, third, fourth])
    t.deepEqual(
      results.map(({ bytesSent }) => bytesSent),
      [SIZE, 1000, 5, other.bytes.length],
    )
  })
  const slices = [other.bytes.subarray(10, 1010), file.bytes.subarray(SIZE - 5)]
  bodyIs(t, answer, text('1'), file.bytes, text('2'), ...slices, text('3'), other.bytes, text('4'))
})

test("a stream piped during the opening waits and resumes with 'drain'", async (t) => {
  const answer = await answerTo(t, async (response) => {
    const sent = sendfile(response, file.path)
    createReadStream(other.path).pipe(response)
    await Promise.all([sent, once(response, 'finish')])
  })
  bodyIs(t, answer, file.bytes, other.bytes)
})

test('a wrapper installed during the opening stays and sees the bytes sent after the file', async (t) => {
  const observed: Buffer[] = []
  const answer = await answerTo(t, async (response) => {
    const sent = sendfile(response, file.path)
    observeBody(response, (chunk) => observed.push(chunk))
    const { write } = response
    response.write('held ')
    t.is((await sent).method, METHOD)
    t.is(response.write, write)
    response.write('later ')
    response.end('end')
  })
  bodyIs(t, answer, file.bytes, text('held later end'))
  t.is(Buffer.concat(observed).toString(), 'held later end')
})

test('a wrapper installed before the call keeps its place', async (t) => {
  const observed: Buffer[] = []
  const answer = await answerTo(t, async (response) => {
    observeBody(response, (chunk) => observed.push(chunk))
    const { write } = response
    const sent = sendfile(response, file.path)
    response.write('held')
    t.is((await sent).method, 'copy')
    t.is(response.write, write)
    response.end()
  })
  bodyIs(t, answer, file.bytes, text('held'))
  t.is(sha256(...observed), sha256(answer.body))
})

test('compression installed before the call compresses the file', async (t) => {
  const answer = await answerTo(t, async (response) => {
    compress(response, () => true)
    const { method, fallbacks } = await sendfile(response, file.path, { end: true })
    t.deepEqual([method, fallbacks[0]?.code], ['copy', fallbackCode('WRAPPED')])
  })
  t.is(answer.headers.get('content-encoding'), 'gzip')
  t.is(sha256(gunzipSync(answer.body)), sha256(file.bytes))
})

test('compression installed during the opening does not affect this body', async (t) => {
  const answer = await answerTo(t, async (response) => {
    const sent = sendfile(response, file.path)
    compress(response, () => true)
    t.is((await sent).method, METHOD)
    response.end('tail')
  })
  t.false(answer.headers.has('content-encoding'))
  bodyIs(t, answer, file.bytes, text('tail'))
})

test('held calls and the chunks of the file run in the store of their caller', async (t) => {
  const storage = new AsyncLocalStorage<string>()
  const seen: string[] = []
  const answer = await answerTo(t, async (response) => {
    observeBody(response, (chunk) => {
      seen.push(`${storage.getStore()}: ${chunk.length < 10 ? chunk.toString() : 'file'}`)
    })
    const finished = once(response, 'finish')
    const sent = storage.run('transfer', () => sendfile(response, file.path))
    storage.run('writer', () => response.write('middle'))
    storage.run('ender', () => response.end('tail'))
    await Promise.all([sent, finished])
  })
  t.deepEqual(new Set(seen), new Set(['transfer: file', 'writer: middle', 'ender: tail']))
  bodyIs(t, answer, file.bytes, text('middletail'))
})

test('held calls are made if the file cannot be opened', async (t) => {
  const errors: unknown[] = []
  const answer = await answerTo(t, async (response) => {
    const sent = sendfile(response, missing, { end: true })
    t.deepEqual(ownMethods(response), HELD)
    const drained = once(response, 'drain')
    t.false(response.write('held '))
    errors.push(await t.throwsAsync(sent, { instanceOf: SendfileError }))
    t.deepEqual(ownMethods(response), [])
    t.false(response.writableEnded)
    await within(drained, "'drain', promised by the write that was held")
    response.end('tail')
  })
  t.is(answer.body.toString(), 'held tail')
  t.like(errors[0], { code: 'ENOENT', syscall: 'open', path: missing, bytesSent: 0, offset: 0 })
})

test('a queued transfer runs if the one before it cannot open its file', async (t) => {
  const answer = await answerTo(t, async (response) => {
    const failing = t.throwsAsync(sendfile(response, missing), { code: 'ENOENT' })
    const sent = sendfile(response, file.path, { end: true })
    await failing
    t.is((await sent).bytesSent, SIZE)
  })
  bodyIs(t, answer, file.bytes)
})

test('held calls are made if the transfer is aborted', async (t) => {
  const controller = new AbortController()
  const errors: unknown[] = []
  const answer = await answerTo(t, async (response) => {
    const sent = sendfile(response, file.path, { signal: controller.signal })
    response.write('held ')
    controller.abort()
    errors.push(await t.throwsAsync(sent, { name: 'AbortError', code: 'ABORT_ERR' }))
    response.end('tail')
  })
  t.is(answer.body.toString(), 'held tail')
  t.like(errors[0], { bytesSent: 0, offset: 0 })
})

for (const by of ['response', 'client'] as const) {
  test.serial(`a response destroyed by the ${by} during the opening rejects, and nothing stays open`, async (t) => {
    const before = await restingDescriptors()
    const errors: unknown[] = []
    const served = await serve(t, async (_, response) => {
      const sent = sendfile(response, file.path, { end: true })
      response.write('held')
      if (by === 'response') response.destroy()
      else client.socket.destroy()
      errors.push(await t.throwsAsync(sent, { instanceOf: SendfileError }))
      t.true(response.destroyed || response.req.socket.destroyed)
    })
    const client = await served.connect()
    await t.throwsAsync(client.request('/'), { name: 'Unanswered' })
    await served.answered()
    t.is(errors.length, 1)
    if (by === 'response') t.like(errors[0], { code: 'ERR_SENDFILE_DESTINATION', bytesSent: 0, offset: 0 })
    await served.close()
    t.is(await descriptorsSettleAt(before), before)
  })
}
