/** Timeouts and the end of the server. */
import { once } from 'node:events'
import { fileOf, MIB, within } from '../../scene.mjs'
import { file, size } from './one-request.mjs'

export const times = [
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
