/**
 * The behavior of http around a body: keep-alive, pipelining, writes before and after, wrappers, timeouts, messages
 * without a body.
 */
import { once } from 'node:events'
import http from 'node:http'
import zlib from 'node:zlib'
import { fileOf, MIB, plain, sha256, within } from '../scene.mjs'

const file = fileOf(8 * MIB)
const { size } = file

/** Serves `respond(res, source)`, makes one request and returns the response. */
async function once1(scene, respond, { request, options, server: serverOptions } = {}) {
  const server = await scene.serve((req, res) => {
    const source = scene.source(scene.create(file.path, options))
    scene.response(res)
    respond(res, source, req)
  }, serverOptions)
  return scene.get(server.at, '/', request)
}

const keepAlive = [2, 5].map((count) => ({
  name: `${count} consecutive requests on one connection`,
  async run(scene) {
    const sockets = new Set()
    const written = []
    const server = await scene.serve((req, res) => {
      sockets.add(req.socket)
      res.setHeader('Content-Length', size)
      res.on('close', () => written.push(req.socket.bytesWritten))
      scene.create(file.path).pipe(res)
    })
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    scene.later(() => agent.destroy())
    const bodies = []
    for (let i = 0; i < count; i++) {
      const [res] = await once(http.get({ port: server.at, agent, path: `/${i}` }), 'response')
      bodies.push(sha256(Buffer.concat(await res.toArray())))
    }
    return { bodies, sockets: sockets.size, written }
  },
}))

const pipelined = [
  ['file', 'text', 'file', 'text', 'file'],
  ['text', 'file', 'file'],
  ['file', 'file', 'file', 'file'],
].map((kinds) => ({
  name: `pipelined ${kinds.join(', ')}`,
  async run(scene) {
    const server = await scene.serve((req, res) => {
      if (req.url === '/text') return res.end('some text')
      scene.create(file.path).pipe(res)
    })
    const answers = await scene.exchange(
      server.at,
      kinds.map((kind) => ({ path: `/${kind}` })),
    )
    return [...answers]
  },
}))

const parallel = {
  name: '40 concurrent requests',
  async run(scene) {
    const server = await scene.serve((req, res) => {
      const small = fileOf(MIB + 1)
      res.setHeader('Content-Length', small.size)
      scene.create(small.path).pipe(res)
    })
    const answers = await Promise.all(Array.from({ length: 40 }, () => scene.get(server.at)))
    return answers.map(({ sha256: sum, head }) => [sum, head])
  },
}

const around = [
  {
    name: 'bytes before the file',
    run: (scene) =>
      once1(scene, (res, source) => {
        res.write('before ')
        res.write(Buffer.alloc(3 * MIB, 'x'))
        source.pipe(res)
      }),
  },
  {
    name: 'bytes after the file, with end: false',
    run: (scene) =>
      once1(scene, (res, source) => {
        source.pipe(res, { end: false })
        source.on('end', () => res.end(' after'))
      }),
  },
  {
    name: 'bytes before and after, with a length for all',
    run: (scene) =>
      once1(scene, (res, source) => {
        res.setHeader('Content-Length', size + 10)
        res.write('12345')
        source.pipe(res, { end: false })
        source.on('end', () => res.end('67890'))
      }),
  },
  {
    name: 'a corked response',
    run: (scene) =>
      once1(scene, (res, source) => {
        res.cork()
        res.write('corked ')
        source.pipe(res)
        setImmediate(() => res.uncork())
      }),
  },
  {
    name: 'trailers',
    run: (scene) =>
      once1(scene, (res, source) => {
        res.setHeader('Trailer', 'X-Sum')
        source.pipe(res)
        source.on('end', () => res.addTrailers({ 'X-Sum': 'abc' }))
      }),
  },
  {
    name: 'headers flushed before the file',
    run: (scene) =>
      once1(scene, (res, source) => {
        res.flushHeaders()
        setImmediate(() => source.pipe(res))
      }),
  },
  {
    name: 'a pipe that begins when the file is open',
    run: (scene) => once1(scene, (res, source) => void source.on('open', () => source.pipe(res))),
  },
  {
    name: 'a pipe that begins some time after the file is ready',
    run: (scene) =>
      once1(scene, (res, source) => void source.on('ready', () => setTimeout(() => source.pipe(res), 20))),
  },
  {
    name: 'two files, one after the other',
    run: (scene) =>
      once1(scene, (res, source) => {
        source.pipe(res, { end: false })
        source.on('end', () => scene.create(file.path, { start: 5 * MIB }).pipe(res))
      }),
  },
]

const bodyless = [
  ['HEAD', (res) => res.setHeader('Content-Length', size)],
  ['HEAD', () => {}],
  ['GET 304', (res) => (res.statusCode = 304)],
  ['GET 204', (res) => (res.statusCode = 204)],
].map(([what, prepare], index) => ({
  name: `no body: ${what}${index === 1 ? ' without a length' : ''}`,
  kernel: false,
  run: (scene) =>
    once1(
      scene,
      (res, source) => {
        prepare(res)
        source.pipe(res)
      },
      { request: { method: what.split(' ')[0] } },
    ),
}))

const strict = [
  ['right', size, true],
  ['too long', size + 1, true],
  ['too short', size - 1, true],
].map(([name, length]) => ({
  name: `strictContentLength that is ${name}`,
  kernel: name === 'right' ? true : undefined,
  // The bytes on their way when Node finds the mismatch vary.
  figures: name === 'right',
  async run(scene) {
    const errors = []
    const server = await scene.serve((req, res) => {
      res.strictContentLength = true
      res.setHeader('Content-Length', length)
      res.on('error', (error) => errors.push(plain(error)))
      const source = scene.create(file.path)
      source.on('error', (error) => errors.push(['src', plain(error)]))
      source.pipe(res)
    })
    const onUncaught = (error) => errors.push(['uncaught', error.code])
    process.on('uncaughtException', onUncaught)
    scene.later(() => process.off('uncaughtException', onUncaught))
    const client = await scene.connect(server.at)
    client.socket.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
    await Promise.race([client.closed, new Promise((resolve) => setTimeout(resolve, 500))])
    return {
      errors: [...new Set(errors.map((error) => JSON.stringify(error)))],
      enough: name === 'right' ? client.length > size : undefined,
    }
  },
}))

/** Access logs, session stores and body loggers. */
const replace = (res, name, method) => {
  const original = res[name]
  res[name] = (...args) => method((...given) => Reflect.apply(original, res, given), args)
}

const wrappers = [
  {
    name: 'writeHead is wrapped',
    run: (scene) =>
      once1(scene, (res, source) => {
        replace(res, 'writeHead', (original, args) => {
          res.setHeader('X-Time', '1')
          return original(...args)
        })
        source.pipe(res)
      }),
  },
  {
    name: 'end is wrapped',
    run: (scene) =>
      once1(scene, (res, source) => {
        res.setHeader('Content-Length', size)
        replace(res, 'end', (original, args) => {
          scene.events.push('end called')
          return original(...args)
        })
        source.pipe(res)
      }),
  },
  {
    name: 'write is wrapped, with a Content-Length',
    run: (scene) =>
      once1(scene, (res, source) => {
        res.setHeader('Content-Length', size)
        replace(res, 'write', (original, args) => original(...args))
        source.pipe(res)
      }),
  },
  {
    name: 'write is wrapped, without a Content-Length',
    kernel: false,
    run: (scene) =>
      once1(scene, (res, source) => {
        let seen = 0
        replace(res, 'write', (original, args) => {
          seen += args[0].length
          return original(...args)
        })
        source.pipe(res)
        res.on('finish', () => scene.events.push(`seen ${seen}`))
      }),
  },
  {
    name: 'write buffers, and end sends everything with another length',
    kernel: false,
    run: (scene) =>
      once1(scene, (res, source) => {
        const parts = []
        replace(res, 'write', (original, [chunk]) => parts.push(chunk) > 0)
        replace(res, 'end', (original) => {
          const body = Buffer.concat([...parts, Buffer.from(' and more')])
          res.setHeader('Content-Length', body.length)
          original(body)
        })
        source.pipe(res)
      }),
  },
  {
    name: 'write compresses',
    kernel: false,
    async run(scene) {
      const { bytes, head } = await once1(scene, (res, source) => {
        const { write, end } = res
        const gzip = zlib.createGzip({ level: 1 })
        gzip.on('data', (chunk) => write.call(res, chunk) === false && gzip.pause())
        gzip.on('end', () => end.call(res))
        res.addListener('drain', () => gzip.resume())
        const { on } = res
        res.on = (name, listener) => (name === 'drain' ? gzip.on(name, listener) : on.call(res, name, listener)) && res
        res.write = (chunk) => gzip.write(chunk)
        res.end = () => gzip.end()
        res.setHeader('Content-Encoding', 'gzip')
        source.pipe(res)
      })
      return { head, sha256: sha256(zlib.gunzipSync(bytes)) }
    },
  },
]

const times = [
  {
    name: 'a slow client and a short server timeout',
    async run(scene) {
      const timeouts = []
      const server = await scene.serve((req, res) => {
        res.setHeader('Content-Length', size)
        scene.create(file.path).pipe(res)
      })
      server.setTimeout(1500, (socket) => {
        timeouts.push(socket.bytesWritten > 0)
        socket.destroy()
      })
      const client = await scene.connect(server.at)
      client.socket.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
      let slept = 0
      client.socket.on('data', () => {
        if (slept >= 100) return
        slept += 1
        client.socket.pause()
        setTimeout(() => client.socket.resume(), 20)
      })
      await client.closed
      return { timeouts: timeouts.length, whole: client.bytes().subarray(-size).equals(file.bytes) }
    },
  },
  {
    name: 'a client that reads nothing meets the server timeout',
    figures: false,
    async run(scene) {
      const large = fileOf(32 * MIB)
      const server = await scene.serve((req, res) => {
        res.setHeader('Content-Length', large.size)
        scene.create(large.path).pipe(res)
      })
      server.setTimeout(200, (socket) => socket.destroy())
      const client = await scene.connect(server.at)
      client.socket.pause()
      const closed = new Promise((resolve) => server.once('connection', resolve)).then((socket) =>
        once(socket, 'close'),
      )
      client.socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
      const [socket] = await once(server, 'request').then(([req]) => [req.socket])
      await within(socket.destroyed ? Promise.resolve() : once(socket, 'close'), 'the timeout', 5000)
      void closed.catch(() => {})
      return 'closed'
    },
  },
  {
    name: 'server.close() in the middle',
    async run(scene) {
      const server = await scene.serve((req, res) => {
        res.setHeader('Content-Length', size)
        scene.create(file.path).pipe(res)
        server.close()
      })
      const answer = await scene.get(server.at)
      return answer
    },
  },
  {
    name: 'keepAliveTimeout begins when the response has ended',
    async run(scene) {
      const server = await scene.serve(
        (req, res) => {
          res.setHeader('Content-Length', size)
          scene.create(file.path).pipe(res)
        },
        { keepAliveTimeout: 200 },
      )
      const answers = await scene.exchange(server.at, [{}], { keep: true })
      await within(answers.client.closed, 'the end of the idle connection', 5000)
      return { ended: answers.client.ended, sha256: answers[0].sha256 }
    },
  },
]

const state = {
  name: 'the state that middleware sees while the body is sent',
  async run(scene) {
    const seen = {}
    const answer = await once1(scene, (res, source) => {
      source.pipe(res)
      source.once('end', () => {
        seen.srcEnded = source.readableEnded
        seen.needDrain = res.writableNeedDrain
      })
      res.on('finish', () => {
        seen.listeners = ['drain', 'unpipe', 'error', 'close', 'finish'].map((name) => res.listenerCount(name))
        seen.sourceListeners = ['data', 'end', 'error', 'close', 'readable'].map((name) => source.listenerCount(name))
        seen.own = Object.getOwnPropertyNames(res).includes('write')
      })
    })
    return { answer, seen }
  },
}

export const scenarios = [
  ...keepAlive,
  ...pipelined,
  parallel,
  ...around,
  ...bodyless,
  ...strict,
  ...wrappers,
  ...times,
  state,
]
