/** Several messages on one connection, and several connections. */
import { once } from 'node:events'
import http from 'node:http'
import { fileOf, MIB, sha256 } from '../../scene.mjs'
import { file, size } from './one-request.mjs'

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

export const connections = [...keepAlive, ...pipelined, parallel]
