/** Either side aborts at a random offset: which errors are reported, and that nothing stays open. */
import http from 'node:http'
import net from 'node:net'
import { pipeline } from 'node:stream'
import { pipeline as pipelinePromise } from 'node:stream/promises'
import { fileOf, MIB, plain, within } from '../scene.mjs'

const file = fileOf(32 * MIB)

const WAYS = {
  pipe: (scene, source, target) => void source.pipe(target),
  pipeline: (scene, source, target) =>
    void pipeline(source, target, (error) => scene.events.push(`callback ${error?.code ?? error?.message}`)),
  'promises.pipeline': (scene, source, target) =>
    void pipelinePromise(source, target).then(
      () => scene.events.push('resolved'),
      (error) => scene.events.push(`rejected ${error.code ?? error.message}`),
    ),
}

const noise = (emitter, scene, label) =>
  emitter.on('error', (error) => scene.events.push(`${label} error ${plain(error).code ?? error.message}`))

/** Events of both sides race, so that only the order on each side is compared. */
const bySide = (found, events = found.filter((event, i) => found.indexOf(event) === i)) =>
  Object.groupBy?.(events, (event) => event.split(' ')[0]) ?? group(events)
function group(events) {
  const groups = Object.create(null)
  for (const event of events) (groups[event.split(' ')[0]] ??= []).push(event)
  return groups
}

/** A closed peer is noticed by a read, by a write or by neither: this varies. */
const asGone = (event) =>
  event
    .replace(/^(callback|rejected|src error) (EPIPE|ECONNRESET|ERR_STREAM_PREMATURE_CLOSE)$/, '$1 gone')
    .replace(/^target (error (EPIPE|ECONNRESET)|finish)$/, 'target gone')

/**
 * The pipe unpipes before other listeners receive an error, and after a 'finish' (lib/internal/streams/readable.js,
 * pipe: onerror is prepended, onfinish is not): which of the two comes first varies as well.
 */
const goneFirst = (events) => {
  const [gone, unpiped] = [events.indexOf('target gone'), events.indexOf('target unpipe')]
  if (gone === -1 || unpiped === -1 || gone < unpiped) return events
  return events.toSpliced(unpiped, 1).toSpliced(gone, 0, 'target unpipe')
}

const settled = async (target) => {
  while (!target.closed && !target.destroyed) await new Promise((resolve) => setImmediate(resolve))
}

async function aborted(scene, { way, act, framing = 'length', to = 'response', byPeer = false }) {
  let source
  let target
  let request
  const begin = (made) => {
    target = made
    source = scene.create(file.path)
    noise(source, scene, 'src')
    noise(target, scene, 'target')
    scene.record(source, 'src', ['end', 'close'])
    scene.record(target, 'target', ['unpipe', 'finish', 'close'])
    WAYS[way](scene, source, target)
  }
  const server =
    to === 'response'
      ? http.createServer((req, res) => {
          request = req
          if (framing === 'length') res.setHeader('Content-Length', file.size)
          begin(res)
        })
      : net.createServer(begin)
  server.on('clientError', (error, socket) => socket.destroy())
  const client = await scene.connect(await scene.listen(server))
  const head = to === 'response' ? client.socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n') : true
  await client.has(1 + Math.floor(Math.random() * 6 * MIB))
  client.socket.pause()
  await act({ source, target, client, request, head })
  client.socket.resume()
  await within(Promise.race([client.closed, new Promise((resolve) => setTimeout(resolve, 250))]), 'the end')
  if (client.socket.destroyed) await within(settled(target), 'the end of the target')
  await scene.quiet()
  const bytes = client.bytes()
  const body = to === 'response' && framing === 'length' ? bytes.subarray(bytes.indexOf('\r\n\r\n') + 4) : bytes
  const prefix = framing === 'length' ? body.equals(file.bytes.subarray(0, body.length)) : undefined
  const state = { src: source.destroyed, target: target.destroyed, prefix, whole: body.length === file.size }
  const seen = scene.events.splice(0)
  const events = bySide(byPeer ? goneFirst(seen.map(asGone)) : seen)
  return { state, events, closed: client.socket.destroyed || client.ended }
}

const ACTS = {
  'the client resets': ({ client }) => void client.socket.resetAndDestroy(),
  'the client closes': ({ client }) => void client.socket.destroy(),
  'the target is destroyed': ({ target }) => void target.destroy(),
  'the target is destroyed with an error': ({ target }) =>
    void target.destroy(Object.assign(new Error('mine'), { code: 'MINE' })),
  'the source is destroyed': ({ source }) => void source.destroy(),
  'the source is destroyed with an error': ({ source }) =>
    void source.destroy(Object.assign(new Error('mine'), { code: 'MINE' })),
}

const all = Object.keys(WAYS).flatMap((way) =>
  Object.entries(ACTS).flatMap(([name, act]) =>
    [
      ['response', 'length'],
      ['response', 'chunked'],
      ['socket', 'length'],
    ].map(([to, framing]) => ({
      name: `${name}: ${to}, ${framing}, ${way}`,
      figures: false,
      kernel: undefined,
      run: (scene) => aborted(scene, { way, act, framing, to, byPeer: name.startsWith('the client') }),
    })),
  ),
)

const others = [
  {
    name: 'a signal fires in the middle',
    async run(scene) {
      const controller = new AbortController()
      let source
      const server = net.createServer((socket) => {
        source = scene.create(file.path, { signal: controller.signal })
        noise(source, scene, 'src')
        scene.record(source, 'src', ['end', 'close'])
        source.pipe(socket)
      })
      const client = await scene.connect(await scene.listen(server))
      await client.has(MIB)
      client.socket.pause()
      controller.abort()
      await new Promise((resolve) => setTimeout(resolve, 50))
      return [source.destroyed, source.errored?.name]
    },
  },
  {
    name: 'a signal that fired before',
    async run(scene) {
      const source = scene.create(file.path, { signal: AbortSignal.abort() })
      noise(source, scene, 'src')
      scene.record(source, 'src', ['open', 'end', 'close'])
      await within(new Promise((resolve) => source.on('close', resolve)), 'close')
      return source.errored?.name
    },
  },
  {
    name: 'the socket of a response is destroyed',
    run: (scene) => aborted(scene, { way: 'pipe', act: ({ request }) => void request.socket.destroy() }),
  },
  {
    name: 'the socket of a response is destroyed with an error',
    run: (scene) =>
      aborted(scene, { way: 'pipe', act: ({ request }) => void request.socket.destroy(new Error('mine')) }),
  },
  {
    name: 'server.closeAllConnections()',
    run: (scene) =>
      aborted(scene, { way: 'pipeline', act: ({ request }) => void request.socket.server.closeAllConnections() }),
  },
  {
    name: 'a pipelined response whose connection closes before its turn',
    async run(scene) {
      const sources = []
      const server = await scene.serve((req, res) => {
        const source = scene.create(file.path)
        sources.push(source)
        noise(res, scene, 'res')
        source.pipe(res)
        res.on('close', () => source.destroy())
        req.socket.on('close', () => setImmediate(() => source.destroy()))
      })
      const client = await scene.connect(server.at)
      client.socket.write('GET /1 HTTP/1.1\r\nhost: x\r\n\r\nGET /2 HTTP/1.1\r\nhost: x\r\n\r\n')
      await client.has(MIB)
      client.socket.destroy()
      while (sources.length < 2 || !sources.every(({ closed }) => closed))
        await new Promise((resolve) => setImmediate(resolve))
      return sources.length
    },
  },
  {
    name: 'close() in the middle, with a callback',
    async run(scene) {
      let source
      const server = net.createServer((socket) => {
        source = scene.create(file.path)
        source.pipe(socket)
      })
      const client = await scene.connect(await scene.listen(server))
      await client.has(MIB)
      client.socket.pause()
      const error = await within(new Promise((resolve) => source.close(resolve)), 'the callback')
      return [plain(error)?.code, source.destroyed, source.fd]
    },
  },
  {
    name: 'destroyed in the tick of the pipe',
    async run(scene) {
      const server = await scene.serve((req, res) => {
        const source = scene.source(scene.create(file.path))
        source.pipe(res)
        source.destroy()
        source.on('close', () => res.end('gone'))
      })
      return scene.get(server.at)
    },
  },
  {
    name: 'unpiped in the tick of the pipe',
    async run(scene) {
      const server = await scene.serve((req, res) => {
        const source = scene.source(scene.create(file.path))
        source.pipe(res)
        source.unpipe(res)
        setTimeout(() => res.end('nothing'), 20)
      })
      return scene.get(server.at)
    },
  },
  {
    name: 'the response is ended by other code in the middle',
    async run(scene) {
      const server = await scene.serve((req, res) => {
        const source = scene.create(file.path)
        source.pipe(res)
        noise(res, scene, 'res')
        source.on('close', () => scene.events.push('src close'))
        setTimeout(() => {
          source.unpipe(res)
          res.end()
          source.destroy()
        }, 10)
      })
      const client = await scene.connect(server.at)
      client.socket.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
      await within(client.closed, 'the end')
      return client.bytes().subarray(-5).toString()
    },
  },
].map((scenario) => Object.assign(scenario, { figures: false, kernel: undefined }))

export const scenarios = [...all, ...others]
