// A server that responds to an upload before reading it, and closes: bytes that the kernel has received are read before
// the failed upload destroys the connection, so that the response is never lost.
import { once } from 'node:events'
import http from 'node:http'
import { Worker } from 'node:worker_threads'
import type { ExecutionContext } from 'ava'

import { createReadStream, sendfile } from '../../index.ts'
import { descriptorsOf } from '../fixtures/descriptors.ts'
import { kernelSerial } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { until, within } from '../fixtures/within.ts'

const SIZE = 16 << 20
const ROUNDS = 30
const file = sampleFile(SIZE)

async function startServer(t: ExecutionContext, workerData: { enough: number; drains: boolean }): Promise<number> {
  const worker = new Worker(new URL('../fixtures/children/early-answer-server.mjs', import.meta.url), { workerData })
  t.teardown(() => void worker.terminate())
  const [port]: unknown[] = await within(once(worker, 'message'), 'the server')
  return Number(port)
}

interface Outcome {
  readonly status: number | undefined
  readonly body: string
  readonly errors: string[]
}

/** The end of a request whose body is the file. */
async function upload(port: number, send: (request: http.ClientRequest) => () => void): Promise<Outcome> {
  const headers = { 'Content-Length': SIZE }
  const request = http.request({ port, host: '127.0.0.1', method: 'PUT', agent: false, headers })
  const seen = { status: undefined as number | undefined, body: '', errors: [] as string[] }
  request.on('error', (error) => seen.errors.push(error.message))
  request.on('response', (response) => {
    seen.status = response.statusCode
    response.on('data', (chunk: Buffer) => (seen.body += chunk.toString()))
    response.on('error', (error) => seen.errors.push(error.message))
  })
  const closed = once(request, 'close')
  const done = send(request)
  await within(closed, "'close' of the request")
  done()
  return seen
}

const senders: Readonly<Record<string, (request: http.ClientRequest, results: Promise<unknown>[]) => () => void>> = {
  'a stream': (request) => {
    const stream = createReadStream(file.path)
    stream.pipe(request)
    return () => void stream.destroy() // a pipe does not destroy its source, as in Node
  },
  'sendfile() with end': (request, results) => {
    results.push(
      sendfile(request, file.path, { end: true }).then(
        () => 'sent' as unknown,
        (error: unknown) => error,
      ),
    )
    return () => {}
  },
}

for (const [name, send] of Object.entries(senders)) {
  for (const enough of [0, 1 << 20]) {
    kernelSerial(
      `the response to an upload by ${name} arrives from a server that closes after ${enough} bytes`,
      async (t) => {
        const port = await startServer(t, { enough, drains: false })
        const results: Promise<unknown>[] = []
        for (let round = 0; round < ROUNDS; round += 1) {
          const outcome = await upload(port, (request) => send(request, results))
          t.deepEqual(outcome, { status: 413, body: 'big', errors: [] })
        }
        for (const error of await within(Promise.all(results), 'every promise')) {
          t.true(
            error instanceof Error && ['EPIPE', 'ECONNRESET', 'ERR_SENDFILE_DESTINATION'].includes(Object(error).code),
          )
        }
        await until(() => descriptorsOf(file.path) === 0, 'the file is closed')
      },
    )
  }

  kernelSerial(
    `an upload by ${name} continues after an early response of a server that continues reading`,
    async (t) => {
      const port = await startServer(t, { enough: 0, drains: true })
      const results: Promise<unknown>[] = []
      t.deepEqual(await upload(port, (request) => send(request, results)), { status: 413, body: 'big', errors: [] })
      for (const result of await Promise.all(results)) t.is(result, 'sent')
      await until(() => descriptorsOf(file.path) === 0, 'the file is closed')
    },
  )
}
