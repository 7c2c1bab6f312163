/** Messages without a body, and lengths that Node checks. */
import { plain } from '../../scene.mjs'
import { file, oneRequest, size } from './one-request.mjs'

const bodyless = [
  ['HEAD', (res) => res.setHeader('Content-Length', size)],
  ['HEAD', () => {}],
  ['GET 304', (res) => (res.statusCode = 304)],
  ['GET 204', (res) => (res.statusCode = 204)],
].map(([what, prepare], index) => ({
  name: `no body: ${what}${index === 1 ? ' without a length' : ''}`,
  kernel: false,
  run: (scene) =>
    oneRequest(
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

export const framing = [...bodyless, ...strict]
