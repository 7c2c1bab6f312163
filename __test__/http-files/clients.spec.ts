// Clients that leave or read slowly, and functions of the program that throw: an outcome or one error, and no open file.
import { once } from 'node:events'
import http from 'node:http'
import test from 'ava'

import { serveFile, serveStatic, type ServeOptions } from '../../http.ts'
import { RateLimiter } from '../../index.ts'
import { IN_KERNEL, METHOD } from '../fixtures/executor.ts'
import { get, remembered } from '../fixtures/remembered-site.ts'
import { sampleBytes } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { allClosed, folderOf, siteOf } from '../fixtures/site.ts'
import { until, within } from '../fixtures/within.ts'

const LARGE = 64 << 20
const contents = sampleBytes(LARGE)
const folder = folderOf({
  'large.bin': contents,
  'small.bin': contents.subarray(0, 1000),
  'mid.bin': contents.subarray(0, 300_000),
})

test.serial('the result of a complete answer', async (t) => {
  const { ask, ends } = await remembered(t, folder)
  for (const [name, size, method] of [
    ['large.bin', LARGE, METHOD],
    ['mid.bin', 300_000, METHOD],
    ['small.bin', 1000, 'copy'],
  ] as const) {
    const { body } = await ask(`/${name}`)
    t.is(sha256(body), sha256(contents.subarray(0, size)))
    await until(() => ends.length > 0, 'the result')
    const { result } = ends.shift() ?? {}
    t.like(result, { status: 200, path: `${folder}/${name}`, bytesSent: size, completed: true, method })
    t.true((result?.durationMs ?? -1) >= 0)
    if (IN_KERNEL) t.is(result?.fallbacks.length, method === 'copy' ? 1 : 0)
  }
  await ask('/mid.bin', { headers: { range: 'bytes=0-99999,200000-' } })
  await ask('/mid.bin', { method: 'HEAD' })
  await ask('/nothing')
  await until(() => ends.length === 3, 'three results')
  t.like(ends[0]?.result, { status: 206, bytesSent: 200_000, completed: true, method: METHOD })
  t.like(ends[1]?.result, { status: 200, bytesSent: 0, completed: true, method: undefined })
  t.like(ends[2]?.result, { status: 404, path: undefined, bytesSent: 0, completed: true })
  await allClosed(folder)
})

for (const how of ['destroy', 'resetAndDestroy'] as const) {
  test.serial(
    `100 clients that leave (${how}): not completed, the bytes accepted, no error, no open file (rows 1, 38, 44, 74)`,
    async (t) => {
      const { port, ends } = await remembered(t, folder)
      for (let round = 0; round < 100; round += 1) {
        const socket = get(port, '/large.bin', round % 3 === 0 ? 'Range: bytes=0-30000000,40000000-\r\n' : '')
        if (round % 10 !== 0) await within(once(socket, 'data'), 'the first bytes')
        else await once(socket, 'connect')
        socket[how]()
      }
      await until(() => ends.length >= 90, 'the ends of the answers')
      await allClosed(folder)
      for (const { result, error } of ends) {
        t.is(error, undefined)
        t.is(result?.completed, false)
        t.true((result?.bytesSent ?? LARGE) < LARGE)
      }
    },
  )
}

test.serial(
  'a client that leaves within a small answer, and one behind a stalled answer on the same connection (row 11)',
  async (t) => {
    const { port, ends, asked } = await remembered(t, folder)
    const socket = get(port, '/large.bin')
    await within(once(socket, 'data'), 'the first bytes')
    socket.pause()
    socket.write('GET /small.bin HTTP/1.1\r\nHost: localhost\r\n\r\nGET /large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await until(() => asked() === 3, 'all requests have come')
    socket.destroy()
    await until(() => ends.length === 3, 'the ends of all three')
    await allClosed(folder)
    for (const { result, error } of ends) t.deepEqual([error, result?.completed], [undefined, false])
  },
)

test.serial('a slow reader is disconnected by stallTimeout', async (t) => {
  const { port, ends } = await remembered(t, folder, { stallTimeout: 200 })
  const socket = get(port, '/large.bin')
  socket.pause()
  await until(() => ends.length === 1, 'the end of the answer')
  t.like(ends[0]?.result, { status: 200, completed: false })
  await allClosed(folder)
  socket.resume()
  await within(once(socket, 'close'), 'the end of the connection')
})

test.serial('limiter: the requests of a user share a rate', async (t) => {
  const limiters = new Map<string, RateLimiter>()
  const limiter: ServeOptions['limiter'] = ({ headers }) => {
    const user = String(headers['x-user'])
    const found = limiters.get(user) ?? new RateLimiter({ rate: 1 << 20, burst: 1000 })
    limiters.set(user, found)
    return found
  }
  const { port, ends } = await remembered(t, folder, { limiter })
  const startedAt = performance.now()
  const answers = [1, 2].map(async () => {
    const socket = get(port, '/mid.bin', 'X-User: a\r\nConnection: close\r\n').resume()
    await within(once(socket, 'close'), 'the end of the answer', 20_000)
  })
  await Promise.all(answers)
  const seconds = (performance.now() - startedAt) / 1000
  t.true(seconds > 0.45, `600 KB at 1 MiB/s in ${seconds} s`)
  t.deepEqual(
    ends.map(({ result }) => result?.completed),
    [true, true],
  )
  t.is(limiters.size, 1)
})

test.serial(
  'a function of the options that throws, or answers itself: 500 or its answer, and no open file (row 22)',
  async (t) => {
    const failure = new Error('of the program')
    for (const options of [
      {
        headers: () => {
          throw failure
        },
      },
      {
        etag: () => {
          throw failure
        },
      },
      {
        contentType: () => {
          throw failure
        },
      },
      {
        limiter: () => {
          throw failure
        },
      },
    ] satisfies ServeOptions[]) {
      const { ask, ends } = await remembered(t, folder, options)
      const { status, headers, body } = await ask('/mid.bin')
      t.deepEqual([status, body.toString(), headers.has('etag')], [500, 'Internal Server Error\n', false])
      await until(() => ends.length === 1, 'the rejection')
      t.is(ends[0]?.error, failure)
    }
    const { ask, ends } = await remembered(t, folder, { headers: (res) => void res.writeHead(418).end('own') })
    const { status, body } = await ask('/mid.bin')
    t.deepEqual([status, body.toString()], [418, 'own'])
    await until(() => ends.length === 1, 'the result')
    t.like(ends[0]?.result, { status: 418, bytesSent: 0 })
    await allClosed(folder)
  },
)

test.serial('signal aborts: the promise rejects, and the connection ends', async (t) => {
  const controller = new AbortController()
  const { port, ends } = await remembered(t, folder, { signal: controller.signal })
  const socket = get(port, '/large.bin')
  await within(once(socket, 'data'), 'the first bytes')
  socket.pause()
  controller.abort()
  await until(() => ends.length === 1, 'the rejection')
  t.is(Reflect.get(Object(ends[0]?.error), 'code'), 'ABORT_ERR')
  const closed = within(once(socket, 'close'), 'the end of the connection')
  socket.resume()
  await closed
  await allClosed(folder)
})

test.serial('a 206 behind middleware that compresses is not to be transformed (row 57)', async (t) => {
  const { ask } = await siteOf(t, (req, res) => {
    const { write } = res
    res.write = function written(...args: unknown[]): boolean {
      return Reflect.apply(write, this, args)
    }
    return serveFile(req, res, `${folder}/mid.bin`)
  })
  const part = await ask('/', { headers: { range: 'bytes=0-9' } })
  t.deepEqual([part.status, part.headers.get('cache-control')], [206, 'public, max-age=0, no-transform'])
  t.is((await ask('/')).headers.get('cache-control'), 'public, max-age=0')
})

test.serial('100 aborts at once leave no listener warning and no log line', async (t) => {
  const warnings: Error[] = []
  const note = (warning: Error): void => void warnings.push(warning)
  process.on('warning', note)
  t.teardown(() => process.off('warning', note))
  const server = http.createServer((req, res) => serveStatic(folder)(req, res))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a server without a port')
  const sockets = Array.from({ length: 100 }, () => get(address.port, '/large.bin'))
  for (const socket of sockets) socket.once('data', () => socket.pause())
  await Promise.all(sockets.map((socket) => within(once(socket, 'data'), 'the first bytes')))
  for (const socket of sockets) socket.destroy()
  await allClosed(folder)
  server.closeAllConnections()
  server.close()
  t.deepEqual(warnings, [])
})
