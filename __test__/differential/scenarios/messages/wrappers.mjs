/** Responses whose methods middleware has replaced, and the state that middleware sees. */
import zlib from 'node:zlib'
import { sha256 } from '../../scene.mjs'
import { oneRequest, size } from './one-request.mjs'

/** Access logs, session stores and body loggers. */
const replace = (res, name, method) => {
  const original = res[name]
  res[name] = (...args) => method((...given) => Reflect.apply(original, res, given), args)
}

export const wrappers = [
  {
    name: 'writeHead is wrapped',
    run: (scene) =>
      oneRequest(scene, (res, source) => {
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
      oneRequest(scene, (res, source) => {
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
      oneRequest(scene, (res, source) => {
        res.setHeader('Content-Length', size)
        replace(res, 'write', (original, args) => original(...args))
        source.pipe(res)
      }),
  },
  {
    name: 'write is wrapped, without a Content-Length',
    kernel: false,
    run: (scene) =>
      oneRequest(scene, (res, source) => {
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
      oneRequest(scene, (res, source) => {
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
      const { bytes, head } = await oneRequest(scene, (res, source) => {
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

export const state = {
  name: 'the state that middleware sees while the body is sent',
  async run(scene) {
    const seen = {}
    const answer = await oneRequest(scene, (res, source) => {
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
