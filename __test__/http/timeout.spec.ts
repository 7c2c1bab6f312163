// Idle timeouts of Node take the bytes of the kernel into account: a slow client is not a stalled one.
import { once } from 'node:events'
import type net from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import test, { type ExecutionContext } from 'ava'

import { sendfile, SendfileError } from '../../index.ts'
import type { HttpClient } from '../fixtures/http-client.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { serve } from '../fixtures/servers.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { within } from '../fixtures/within.ts'

const TIMEOUT_MS = 300
/** How long a slow client takes at least: several timeouts. */
const SLOW_MS = 4 * TIMEOUT_MS
/** Between two reads of a slow client. */
const PAUSE_MS = TIMEOUT_MS / 10
const SIZE = 48 << 20
const file = sampleFile(SIZE)
const digest = sha256(file.bytes)

/** Reads small amounts with pauses, so that the body takes `SLOW_MS` and never stalls. */
function readSlowly({ socket }: HttpClient): void {
  const portion = SIZE / (SLOW_MS / PAUSE_MS)
  let taken = 0
  socket.on('data', (chunk: Buffer) => {
    taken += chunk.length
    if (taken < portion) return
    taken = 0
    socket.pause()
    setTimeout(() => socket.resume(), PAUSE_MS)
  })
}

/** The result of a slow download. */
interface Download {
  readonly digest: string | undefined
  readonly failure: unknown
  readonly timeouts: number
  readonly durationMs: number
  /** The longest delay of this process: timers are unreliable while the process does not run. */
  readonly lateMs: number
}

async function downloadSlowly(t: ExecutionContext, limit: Limit): Promise<Download> {
  let timeouts = 0
  let durationMs = 0
  let failure: unknown
  const { server, connect, answered, close } = await serve(t, async (request, response) => {
    limit(request.socket)
    request.socket.on('timeout', () => (timeouts += 1))
    try {
      durationMs = (await sendfile(response, file.path, { end: true })).durationMs
    } catch (error) {
      failure = error
    }
  })
  if (limit === byServer) server.timeout = TIMEOUT_MS
  const client = await connect()
  const late = monitorEventLoopDelay({ resolution: 5 })
  readSlowly(client)
  late.enable()
  const body = await within(client.request('/'), 'the body', 30_000).then(
    (response) => response.body,
    () => undefined,
  )
  late.disable()
  await answered()
  await close()
  return { digest: body && sha256(body), failure, timeouts, durationMs, lateMs: late.max / 1e6 }
}

type Limit = (socket: net.Socket) => void
const byServer: Limit = () => {}
const bySocket: Limit = (socket) => void socket.setTimeout(TIMEOUT_MS)

for (const [name, limit] of [
  ['server.timeout', byServer],
  ['socket.setTimeout()', bySocket],
] as const) {
  test.serial(`a slow but healthy client survives ${name}`, async (t) => {
    t.timeout(60_000)
    let download = await downloadSlowly(t, limit)
    for (let attempt = 2; attempt <= 4 && download.timeouts > 0 && download.lateMs > TIMEOUT_MS / 4; attempt++) {
      t.log(`attempt ${attempt}: the process was late by ${download.lateMs} ms`)
      download = await downloadSlowly(t, limit)
    }
    const { failure, timeouts, durationMs } = download
    t.deepEqual([failure, timeouts], [undefined, 0])
    t.is(download.digest, digest)
    t.true(durationMs > 2 * TIMEOUT_MS, `the transfer took ${durationMs} ms: too fast to prove anything`)
  })
}

test.serial('server.timeout ends the connection of a stalled client', async (t) => {
  const errors: unknown[] = []
  const { server, connect, answered } = await serve(t, async (_, response) => {
    errors.push(await t.throwsAsync(sendfile(response, file.path, { end: true }), { instanceOf: SendfileError }))
  })
  server.timeout = TIMEOUT_MS
  const connected = once(server, 'connection')
  const client = await connect()
  const [accepted] = await connected
  client.socket.pause()
  const answer = client.request('/')
  const unanswered = t.throwsAsync(answer, { name: 'Unanswered' })
  await within(once(accepted, 'close'), 'the end of the stalled connection')
  client.socket.resume()
  const error = await unanswered
  await answered()
  const [rejection] = errors
  t.true(rejection instanceof SendfileError && rejection.bytesSent > 0 && rejection.bytesSent < SIZE)
  t.regex(error.message, /after \d+ bytes/)
})

test.serial("a stalled client makes the response emit 'timeout', and the listener decides", async (t) => {
  const { connect, answered } = await serve(t, async (request, response) => {
    response.setTimeout(TIMEOUT_MS)
    const timedOut = once(response, 'timeout')
    const sent = sendfile(response, file.path, { end: true })
    await within(timedOut, "the 'timeout' event")
    t.false(request.socket.destroyed)
    client.socket.resume()
    t.is((await sent).bytesSent, SIZE)
  })
  const client = await connect()
  client.socket.pause()
  const response = await within(client.request('/'), 'the body')
  t.is(sha256(response.body), digest)
  await answered()
})

test.serial('requestTimeout and headersTimeout do not apply after the request has arrived', async (t) => {
  const options = { requestTimeout: 200, headersTimeout: 100, connectionsCheckingInterval: 50 }
  let duration = 0
  const { connect, answered } = await serve(
    t,
    async (_, response) => {
      duration = (await sendfile(response, file.path, { end: true })).durationMs
    },
    options,
  )
  const client = await connect()
  readSlowly(client)
  const response = await within(client.request('/'), 'the body', 30_000)
  t.is(sha256(response.body), digest)
  await answered()
  t.true(duration > 400, `the transfer took ${duration} ms: too fast to prove anything`)
})

test.serial('the idle timeout applies after a transfer as before it', async (t) => {
  const { server, connect, answered } = await serve(t, async (_, response) => {
    await sendfile(response, file.path, { end: true })
  })
  server.timeout = TIMEOUT_MS
  server.keepAliveTimeout = 0
  const client = await connect()
  const closed = once(client.socket, 'close')
  t.is(sha256((await client.request('/')).body), digest)
  await answered()
  await within(closed, 'the end of the idle connection')
  t.true(client.socket.destroyed)
})
