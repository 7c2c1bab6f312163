/** Destinations that the kernel cannot reach: everything is as with a stock stream. */
import { once } from 'node:events'
import { createWriteStream, readFileSync } from 'node:fs'
import http2 from 'node:http2'
import https from 'node:https'
import { PassThrough, pipeline, Transform, Writable } from 'node:stream'
import tls from 'node:tls'
import zlib from 'node:zlib'
import { fileOf, MIB, sha256, within, writeFile } from '../scene.mjs'

const file = fileOf(8 * MIB)
const pem = (name) => readFileSync(new URL(`../../fixtures/tls/${name}.pem`, import.meta.url))
const identity = () => ({ key: pem('key'), cert: pem('certificate') })

const stock = (name, run) => ({ name, kernel: false, run })

/** The sizes of the chunks are part of what is compared. */
function collector(options, delay = false) {
  const chunks = []
  const sink = new Writable({
    ...options,
    write(chunk, _, callback) {
      chunks.push(chunk)
      if (delay) setImmediate(callback)
      else callback()
    },
  })
  return { sink, chunks }
}

const own = [
  ['a Writable', {}, false],
  ['a slow Writable', {}, true],
  ['a Writable with a highWaterMark of 1 MiB', { highWaterMark: MIB }, true],
].map(([name, options, delay]) =>
  stock(name, async (scene) => {
    const { sink, chunks } = collector(options, delay)
    scene.record(sink, 'sink', ['pipe', 'unpipe', 'finish', 'close'])
    scene.source(scene.create(file.path)).pipe(sink)
    await within(once(sink, 'close'), 'the end')
    await scene.quiet()
    return { sizes: chunks.map(({ length }) => length), sha256: sha256(Buffer.concat(chunks)) }
  }),
)

const streams = [
  stock('gzip', async (scene) => {
    const gzip = zlib.createGzip({ level: 1 })
    scene.source(scene.create(file.path)).pipe(gzip)
    return sha256(zlib.gunzipSync(Buffer.concat(await gzip.toArray())))
  }),
  stock('PassThrough', async (scene) => {
    const through = new PassThrough()
    scene.source(scene.create(file.path)).pipe(through)
    return sha256(Buffer.concat(await through.toArray()))
  }),
  stock('a Transform in front of a response', async (scene) => {
    const server = await scene.serve((req, res) => {
      const upper = new Transform({ transform: (chunk, _, callback) => callback(null, chunk) })
      pipeline(scene.source(scene.create(file.path)), upper, res, (error) =>
        scene.events.push(`callback ${error?.code}`),
      )
    })
    return scene.get(server.at)
  }),
  stock('another file', async (scene) => {
    const path = writeFile('copy.bin', '')
    const sink = createWriteStream(path)
    scene.source(scene.create(file.path)).pipe(sink)
    await within(once(sink, 'close'), 'the end')
    return sha256(readFileSync(path))
  }),
  stock('an object with write, end and on', async (scene) => {
    const sizes = []
    const sink = Object.assign(new (await import('node:events')).EventEmitter(), {
      write: (chunk) => sizes.push(chunk.length) > 0,
      end: () => sink.emit('over'),
    })
    scene.source(scene.create(file.path)).pipe(sink)
    await within(once(sink, 'over'), 'the end')
    return sizes
  }),
]

const encrypted = [
  stock('a TLS socket', async (scene) => {
    const server = tls.createServer(identity(), (socket) => {
      scene.later(() => socket.destroy())
      scene.record(socket, 'socket', ['pipe', 'unpipe', 'finish', 'close'])
      scene.source(scene.create(file.path)).pipe(socket)
    })
    const port = await scene.listen(server)
    const client = tls.connect({ port, rejectUnauthorized: false })
    scene.later(() => client.destroy())
    const body = Buffer.concat(await client.toArray())
    await scene.quiet()
    return sha256(body)
  }),
  ...['length', 'chunked'].map((framing) =>
    stock(`https, ${framing}`, async (scene) => {
      const server = https.createServer(identity(), (req, res) => {
        if (framing === 'length') res.setHeader('Content-Length', file.size)
        scene.response(res)
        scene.source(scene.create(file.path)).pipe(res)
      })
      server.on('secureConnection', (socket) => scene.later(() => socket.destroy()))
      const port = await scene.listen(server)
      const agent = new https.Agent({ keepAlive: true, rejectUnauthorized: false })
      scene.later(() => agent.destroy())
      const bodies = []
      for (let i = 0; i < 2; i++) {
        const [res] = await within(once(https.get({ port, agent }), 'response'), 'the answer')
        bodies.push(sha256(Buffer.concat(await res.toArray())))
        await scene.quiet()
      }
      return bodies
    }),
  ),
  ...['compatibility', 'stream'].map((api) =>
    stock(`HTTP/2, ${api} API`, async (scene) => {
      const server = http2.createServer()
      server.on('session', (session) => scene.later(() => session.destroy()))
      if (api === 'stream') server.on('stream', (stream) => scene.create(file.path).pipe(stream))
      else server.on('request', (req, res) => scene.create(file.path).pipe(res))
      const port = await scene.listen(server)
      const client = http2.connect(`http://127.0.0.1:${port}`)
      scene.later(() => client.destroy())
      const body = Buffer.concat(await within(client.request({ ':path': '/' }).toArray(), 'the body'))
      return sha256(body)
    }),
  ),
]

export const scenarios = [...own, ...streams, ...encrypted]
