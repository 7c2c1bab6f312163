// An upload whose file is truncated while it is sent must not look complete, and the agent stays usable.
import { once } from 'node:events'
import { truncateSync } from 'node:fs'
import http from 'node:http'
import test from 'ava'

import { sendfile } from '../../index.ts'
import { descriptorsOf } from '../fixtures/descriptors.ts'
import { endingOf } from '../fixtures/ending.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { listen } from '../fixtures/servers.ts'
import { until, within } from '../fixtures/within.ts'

const SIZE = 32 << 20

for (const [framing, headers] of [
  ['with a length', { 'Content-Length': SIZE }],
  ['in chunks', { 'Transfer-Encoding': 'chunked' }],
] as const) {
  test.serial(`an upload ${framing} fails if its file is truncated, and the connection is not reused`, async (t) => {
    const file = sampleFile(SIZE)
    const ports: (number | undefined)[] = []
    let reported = 'nothing'
    const server = http.createServer((request, response) => {
      ports.push(request.socket.remotePort)
      request.on('error', () => {})
      if (request.url === '/next') return void request.resume().on('end', () => response.end('next'))
      request.once('aborted', () => (reported = 'aborted')).once('end', () => (reported = 'end'))
      request.once('data', () => {
        truncateSync(file.path, 0)
        request.resume()
      })
    })
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    const target = { host: '127.0.0.1', port: await listen(t, server), method: 'POST', agent }
    t.teardown(() => {
      agent.destroy()
      server.closeAllConnections()
    })
    const upload = http.request({ ...target, headers }).on('error', () => {})
    let answered = false
    upload.on('response', () => (answered = true))
    const next = http.request({ ...target, path: '/next', headers: { 'Content-Length': 0 } })
    const answer = once(next, 'response')
    next.end() // waits for the only connection that the agent allows
    const ending = await within(endingOf(sendfile(upload, file.path, { end: true })), 'the rejection')
    t.is(ending.code, 'ERR_SENDFILE_TRUNCATED')
    t.true((ending.bytesSent ?? SIZE) < SIZE)
    await until(() => upload.destroyed, 'the request is destroyed')
    const [response]: http.IncomingMessage[] = await within(answer, 'the answer to the next request')
    t.is(response?.resume().statusCode, 200)
    await until(() => reported !== 'nothing', 'the server hears of it')
    t.deepEqual([reported, answered], ['aborted', false])
    t.is(new Set(ports).size, 2)
    await until(() => descriptorsOf(file.path) === 0, 'the file is closed')
  })
}
