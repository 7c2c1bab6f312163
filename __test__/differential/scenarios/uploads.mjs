/** Requests that carry a file. */
import { once } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import { readFileSync } from 'node:fs'
import { pipeline } from 'node:stream'
import { fileOf, MIB, plain, sha256, within } from '../scene.mjs'

const file = fileOf(8 * MIB)
const tls = (name) => readFileSync(new URL(`../../fixtures/tls/${name}.pem`, import.meta.url))

const REQUEST_EVENTS = ['socket', 'finish', 'response', 'error', 'close']

/** A server that responds with the digest of the request body. */
function receiver(scene, seen) {
  return scene.serve(async (req, res) => {
    seen.push({ headers: { ...req.headers, host: undefined }, url: req.url })
    try {
      res.end(sha256(Buffer.concat(await req.toArray())))
    } catch {
      res.destroy()
    }
  })
}

async function answerOf(req) {
  const [res] = await within(once(req, 'response'), 'the answer')
  return { status: res.statusCode, body: String(Buffer.concat(await res.toArray())) }
}

const plainUploads = [
  ['chunked', {}],
  ['with a length', { 'Content-Length': file.size }],
].flatMap(([name, headers]) =>
  ['pipe', 'pipeline'].map((way) => ({
    name: `${name}, by ${way}`,
    async run(scene) {
      const seen = []
      const server = await receiver(scene, seen)
      const req = scene.record(
        http.request({ port: server.at, method: 'PUT', headers, agent: false }),
        'req',
        REQUEST_EVENTS,
      )
      // Whether the response or the close of the file comes first varies.
      const source = scene.source(scene.create(file.path), ['open', 'ready', 'end', 'error'])
      const closed = Promise.all([once(req, 'close'), once(source, 'close')])
      let called
      if (way === 'pipe') source.pipe(req)
      else pipeline(source, req, (error) => (called = `callback ${error?.code}`))
      const answer = await answerOf(req)
      await within(closed, 'the ends')
      return { answer, seen, called }
    },
  })),
)

const others = [
  {
    name: 'three uploads queued on one connection',
    async run(scene) {
      const seen = []
      const server = await receiver(scene, seen)
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
      scene.later(() => agent.destroy())
      const answers = [1, 2, 3].map((id) => {
        const req = http.request({ port: server.at, method: 'PUT', path: `/${id}`, agent })
        scene.create(file.path, { start: id }).pipe(req)
        return answerOf(req)
      })
      return { answers: await Promise.all(answers), seen }
    },
  },
  {
    name: 'Expect: 100-continue',
    async run(scene) {
      const seen = []
      const server = await receiver(scene, seen)
      const headers = { Expect: '100-continue', 'Content-Length': file.size }
      const req = http.request({ port: server.at, method: 'PUT', headers, agent: false })
      req.flushHeaders()
      await within(once(req, 'continue'), '100 Continue')
      scene.create(file.path).pipe(req)
      return { answer: await answerOf(req), seen }
    },
  },
  {
    name: 'form fields before and after the file',
    async run(scene) {
      const seen = []
      const server = await receiver(scene, seen)
      const req = http.request({ port: server.at, method: 'POST', agent: false })
      req.write('--x\r\n\r\n')
      const source = scene.create(file.path)
      source.pipe(req, { end: false })
      source.on('end', () => req.end('\r\n--x--'))
      return { answer: await answerOf(req), seen }
    },
  },
  {
    name: 'https',
    kernel: false,
    async run(scene) {
      const server = https.createServer({ key: tls('key'), cert: tls('certificate') }, async (req, res) => {
        res.end(sha256(Buffer.concat(await req.toArray())))
      })
      server.on('secureConnection', (socket) => scene.later(() => socket.destroy()))
      const port = await scene.listen(server)
      const req = https.request({ port, method: 'PUT', rejectUnauthorized: false, agent: false })
      scene.source(scene.create(file.path)).pipe(req)
      return answerOf(req)
    },
  },
  {
    name: 'an agent whose sockets are TLS unexpectedly',
    // http.request with the agent of https: the marker reaches a TLS socket, and the file is read and written
    kernel: false,
    async run(scene) {
      const server = https.createServer({ key: tls('key'), cert: tls('certificate') }, async (req, res) => {
        res.end(sha256(Buffer.concat(await req.toArray())))
      })
      server.on('secureConnection', (socket) => scene.later(() => socket.destroy()))
      const port = await scene.listen(server)
      const agent = new https.Agent({ rejectUnauthorized: false })
      scene.later(() => agent.destroy())
      agent.protocol = 'http:'
      const req = http.request({ port, method: 'PUT', agent })
      scene.create(file.path).pipe(req)
      return answerOf(req)
    },
  },
  {
    name: 'the server responds and closes before it has everything',
    figures: false,
    kernel: undefined,
    async run(scene) {
      const server = await scene.serve((req, res) => {
        res.writeHead(413, { Connection: 'close' })
        res.end('too much', () => req.socket.destroy())
      })
      const req = http.request({ port: server.at, method: 'PUT', agent: false })
      const errors = []
      req.on('error', (error) => errors.push(plain(error).code))
      const source = scene.create(fileOf(32 * MIB).path)
      source.on('error', (error) => errors.push(['src', plain(error)]))
      source.pipe(req)
      req.on('response', (res) => res.resume().on('error', () => {}))
      await within(new Promise((resolve) => req.on('close', resolve)), 'the end of the request')
      return {
        destroyed: req.destroyed,
        source: source.destroyed,
        onlyReset: errors.every((code) => ['ECONNRESET', 'EPIPE'].includes(code)),
      }
    },
  },
  {
    name: 'a request that is destroyed before it has a socket',
    kernel: false,
    async run(scene) {
      const server = await receiver(scene, [])
      const req = scene.record(http.request({ port: server.at, method: 'PUT', agent: false }), 'req', ['close'])
      const errors = []
      req.on('error', (error) => errors.push(plain(error)))
      const source = scene.source(scene.create(file.path))
      source.pipe(req)
      req.destroy()
      await within(new Promise((resolve) => req.on('close', resolve)), 'the end of the request')
      return errors
    },
  },
]

export const scenarios = [...plainUploads, ...others]
