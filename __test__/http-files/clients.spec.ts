// Clients that leave or read slowly, and files that change while they are sent: an outcome or one error, and no open file.
import { once } from 'node:events'
import { appendFileSync, renameSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import test, { type ExecutionContext } from 'ava'

import { serveFile, serveStatic, type ServeOptions, type ServeResult } from '../../http.ts'
import { RateLimiter } from '../../index.ts'
import { IN_KERNEL, METHOD } from '../fixtures/executor.ts'
import { Unanswered } from '../fixtures/http-client.ts'
import { sampleBytes } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { allClosed, folderOf, put, type Site, siteOf } from '../fixtures/site.ts'
import { until, within } from '../fixtures/within.ts'

const LARGE = 64 << 20
const contents = sampleBytes(LARGE)
const folder = folderOf({
  'large.bin': contents,
  'small.bin': contents.subarray(0, 1000),
  'mid.bin': contents.subarray(0, 300_000),
})

interface Ended {
  readonly result?: ServeResult
  readonly error?: unknown
}

interface Remembered extends Site {
  readonly ends: Ended[]
  /** How many requests have come. */
  asked(): number
}

/** A site whose answers are remembered. */
async function remembered(t: ExecutionContext, options: ServeOptions = {}): Promise<Remembered> {
  const ends: Ended[] = []
  let asked = 0
  const site = await siteOf(t, (req, res) => {
    asked += 1
    return serveFile(req, res, (req.url ?? '').slice(1), { root: folder, ...options }).then(
      (result) => void ends.push({ result }),
      (error: unknown) => void ends.push({ error }),
    )
  })
  return { ...site, ends, asked: () => asked }
}

function get(port: number, target: string, headers = ''): net.Socket {
  const socket = net.connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(`GET ${target} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`)
  return socket
}

test.serial('the result of a complete answer', async (t) => {
  const { ask, ends } = await remembered(t)
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
      const { port, ends } = await remembered(t)
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
    const { port, ends, asked } = await remembered(t)
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
  const { port, ends } = await remembered(t, { stallTimeout: 200 })
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
  const { port, ends } = await remembered(t, { limiter })
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

test.serial('a file that is truncated while it is sent ends the connection, and rejects', async (t) => {
  const path = put(`${folder}/cut.bin`, contents)
  const { port, ends } = await remembered(t)
  const socket = get(port, '/cut.bin')
  await within(once(socket, 'data'), 'the first bytes')
  socket.pause()
  truncateSync(path, 1 << 20)
  const closed = within(once(socket, 'close'), 'the end of the connection')
  socket.resume()
  await closed
  await until(() => ends.length === 1, 'the rejection')
  t.is(Reflect.get(Object(ends[0]?.error), 'code'), 'ERR_SENDFILE_TRUNCATED')
  await allClosed(folder)
})

test.serial(
  'a file that has grown, or has been replaced or deleted since the open, is sent as it was opened (rows 23 and 24)',
  async (t) => {
    const change: Readonly<Record<string, (path: string) => void>> = {
      grown: (path) => appendFileSync(path, 'more'),
      replaced: (path) => {
        writeFileSync(`${path}.new`, 'other')
        renameSync(`${path}.new`, path)
      },
      deleted: (path) => unlinkSync(path),
    }
    for (const [name, act] of Object.entries(change)) {
      for (const size of [1000, 300_000]) {
        const path = put(`${folder}/${name}-${size}`, contents.subarray(0, size))
        const { ask } = await siteOf(t, serveStatic(folder, { headers: () => act(path) }))
        const { status, body, headers } = await ask(`/${name}-${size}`)
        t.deepEqual(
          [status, headers.get('content-length'), sha256(body)],
          [200, `${size}`, sha256(contents.subarray(0, size))],
        )
        // The connection is still in step.
        if (name === 'grown') t.is((await ask(`/${name}-${size}`)).body.length, size + 4)
      }
    }
    await allClosed(folder)
  },
)

test.serial(
  'a file that was cut since it was opened is never answered with a full length on a connection that stays open (row 23)',
  async (t) => {
    for (const [before, after] of [
      [30_000, 10_000],
      [30_000, 0],
      [300_000, 100_000],
    ] as const) {
      const path = put(`${folder}/shrunk-${before}-${after}`, contents.subarray(0, before))
      const { ask } = await siteOf(t, serveStatic(folder, { headers: () => truncateSync(path, after) }))
      const outcome = await ask(`/shrunk-${before}-${after}`).catch((error: unknown) => error)
      if (outcome instanceof Unanswered) t.true(outcome.partialBody.length <= before)
      else t.is(Reflect.get(Object(outcome), 'status'), 500)
    }
    await allClosed(folder)
  },
)

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
      const { ask, ends } = await remembered(t, options)
      const { status, headers, body } = await ask('/mid.bin')
      t.deepEqual([status, body.toString(), headers.has('etag')], [500, 'Internal Server Error\n', false])
      await until(() => ends.length === 1, 'the rejection')
      t.is(ends[0]?.error, failure)
    }
    const { ask, ends } = await remembered(t, { headers: (res) => void res.writeHead(418).end('own') })
    const { status, body } = await ask('/mid.bin')
    t.deepEqual([status, body.toString()], [418, 'own'])
    await until(() => ends.length === 1, 'the result')
    t.like(ends[0]?.result, { status: 418, bytesSent: 0 })
    await allClosed(folder)
  },
)

test.serial('signal aborts: the promise rejects, and the connection ends', async (t) => {
  const controller = new AbortController()
  const { port, ends } = await remembered(t, { signal: controller.signal })
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

test.serial('HTTP/2 by its compatibility API: the same answers, copied', async (t) => {
  const results: ServeResult[] = []
  const server = http2.createServer((req, res) => {
    void serveFile(req, res, req.url.slice(1), { root: folder }).then((result) => results.push(result))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a server without a port')
  const session = http2.connect(`http://127.0.0.1:${address.port}`)
  t.teardown(() => {
    session.destroy()
    server.close()
  })
  const ask = async (headers: http2.OutgoingHttpHeaders): Promise<readonly [number | undefined, Buffer]> => {
    const stream = session.request(headers)
    const answered = once(stream, 'response')
    const chunks: Buffer[] = []
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    const [head] = await within(answered, 'the headers')
    await within(once(stream, 'close'), 'the end of the stream')
    return [head[':status'], Buffer.concat(chunks)]
  }
  for (const [name, size] of [
    ['mid.bin', 300_000],
    ['small.bin', 1000],
  ] as const) {
    const [status, body] = await ask({ ':path': `/${name}` })
    t.deepEqual([status, sha256(body)], [200, sha256(contents.subarray(0, size))])
  }
  t.deepEqual((await ask({ ':path': '/mid.bin', range: 'bytes=5-9' }))[1], contents.subarray(5, 10))
  t.is((await ask({ ':path': '/mid.bin', range: 'bytes=0-99999,200000-' }))[0], 206)
  t.is((await ask({ ':path': '/mid.bin', ':method': 'HEAD' }))[0], 200)
  t.is((await ask({ ':path': '/nothing' }))[0], 404)
  t.is(results.filter(({ completed }) => completed).length, 6)
  const stream = session.request({ ':path': '/large.bin' })
  await within(once(stream, 'data'), 'the first bytes')
  stream.close(http2.constants.NGHTTP2_CANCEL)
  await until(() => results.length === 7, 'the last result')
  t.like(results.at(-1), { status: 200, completed: false })
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
