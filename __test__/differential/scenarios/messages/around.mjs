/** Bytes and headers before and after the file, and pipes that begin later. */
import { MIB } from '../../scene.mjs'
import { file, oneRequest, size } from './one-request.mjs'

export const around = [
  {
    name: 'bytes before the file',
    run: (scene) =>
      oneRequest(scene, (res, source) => {
        res.write('before ')
        res.write(Buffer.alloc(3 * MIB, 'x'))
        source.pipe(res)
      }),
  },
  {
    name: 'bytes after the file, with end: false',
    run: (scene) =>
      oneRequest(scene, (res, source) => {
        source.pipe(res, { end: false })
        source.on('end', () => res.end(' after'))
      }),
  },
  {
    name: 'bytes before and after, with a length for all',
    run: (scene) =>
      oneRequest(scene, (res, source) => {
        res.setHeader('Content-Length', size + 10)
        res.write('12345')
        source.pipe(res, { end: false })
        source.on('end', () => res.end('67890'))
      }),
  },
  {
    name: 'a corked response',
    run: (scene) =>
      oneRequest(scene, (res, source) => {
        res.cork()
        res.write('corked ')
        source.pipe(res)
        setImmediate(() => res.uncork())
      }),
  },
  {
    name: 'trailers',
    run: (scene) =>
      oneRequest(scene, (res, source) => {
        res.setHeader('Trailer', 'X-Sum')
        source.pipe(res)
        source.on('end', () => res.addTrailers({ 'X-Sum': 'abc' }))
      }),
  },
  {
    name: 'headers flushed before the file',
    run: (scene) =>
      oneRequest(scene, (res, source) => {
        res.flushHeaders()
        setImmediate(() => source.pipe(res))
      }),
  },
  {
    name: 'a pipe that begins when the file is open',
    run: (scene) => oneRequest(scene, (res, source) => void source.on('open', () => source.pipe(res))),
  },
  {
    name: 'a pipe that begins some time after the file is ready',
    run: (scene) =>
      oneRequest(scene, (res, source) => void source.on('ready', () => setTimeout(() => source.pipe(res), 20))),
  },
  {
    name: 'two files, one after the other',
    run: (scene) =>
      oneRequest(scene, (res, source) => {
        source.pipe(res, { end: false })
        source.on('end', () => scene.create(file.path, { start: 5 * MIB }).pipe(res))
      }),
  },
]
