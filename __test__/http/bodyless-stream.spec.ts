// A message without a body: a stream piped to it ends immediately, regardless of the size of the file.
import { once } from 'node:events'
import { truncateSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'

import { createReadStream, type ReadStream } from '../../index.ts'
import { writeSample } from '../fixtures/sample-file.ts'
import { serve } from '../fixtures/servers.ts'
import { kernelSerial } from '../fixtures/executor.ts'
import { within } from '../fixtures/within.ts'

/** Sparse: it uses no disk space. */
const SIZE = 200 * 2 ** 30

const cases = [
  { name: 'HEAD', status: 200, method: 'HEAD' },
  { name: 'status 204', status: 204, method: 'GET' },
  { name: 'status 304', status: 304, method: 'GET' },
]

for (const { name, status, method } of cases) {
  kernelSerial(`a stream of 200 GiB as the body of a ${name} does not block the event loop`, async (t) => {
    const path = writeSample(Buffer.alloc(0))
    truncateSync(path, SIZE)
    const seen: string[] = []
    let stream: ReadStream | undefined
    const { connect, answered } = await serve(t, async (request, response) => {
      if (request.url === '/next') return void response.end('next')
      response.statusCode = status
      if (status === 200) response.setHeader('Content-Length', SIZE)
      stream = createReadStream(path)
      for (const event of ['end', 'error', 'close']) stream.on(event, () => seen.push(event))
      stream.pipe(response)
      await within(once(stream, 'close'), "'close' of the stream")
    })
    const client = await connect()
    const delay = monitorEventLoopDelay({ resolution: 5 })
    delay.enable()
    const answer = await within(client.request('/', { method }), 'the answer')
    const next = await within(client.request('/next'), 'the next answer')
    delay.disable()
    await answered()
    t.is(answer.status, status)
    t.is(answer.body.length, 0)
    t.is(next.body.toString(), 'next')
    t.true(delay.max < 500e6, `the event loop stood still for ${delay.max / 1e6} ms`)
    t.deepEqual(seen, ['end', 'close'])
    t.is(stream?.bytesRead, SIZE)
    t.is(stream?.transfer?.bytesSent, 0)
  })
}
