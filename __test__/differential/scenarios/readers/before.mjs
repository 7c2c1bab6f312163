/** Readers of the stream before its pipe begins. */
import net from 'node:net'
import { MIB, sha256, within } from '../../scene.mjs'
import { file, interfere } from './interfere.mjs'

export const before = [
  {
    name: 'read() before the pipe',
    run: (scene) =>
      interfere(scene, () => {}, {
        before(source, socket) {
          // the pipe of interfere() follows immediately; the bytes read are put back
          source.once('readable', () => {
            const chunk = source.read(1000)
            if (chunk !== null) source.unshift(chunk)
          })
          void socket
        },
      }),
    kernel: undefined,
  },
  {
    name: "piped after the first 'readable'",
    async run(scene) {
      const server = net.createServer((socket) => {
        const source = scene.source(scene.create(file.path))
        source.once('readable', () => source.pipe(socket))
      })
      const client = await scene.connect(await scene.listen(server))
      await within(client.closed, 'the end')
      await scene.quiet()
      return sha256(client.bytes())
    },
  },
  {
    name: "piped after the first 'readable', then paused, unpiped and piped again",
    async run(scene) {
      let source
      let target
      const server = net.createServer((socket) => {
        target = socket
        source = scene.source(scene.create(file.path))
        source.once('readable', () => source.pipe(socket))
      })
      const client = await scene.connect(await scene.listen(server))
      client.socket.on('data', () => client.socket.pause() && setTimeout(() => client.socket.resume(), 1))
      await client.has(MIB)
      source.pause()
      await new Promise((resolve) => setTimeout(resolve, 5))
      scene.note(source)
      source.unpipe(target)
      source.pipe(target)
      source.resume()
      await within(client.closed, 'the end')
      await scene.quiet()
      return [sha256(client.bytes()), source.bytesRead]
    },
  },
  {
    name: 'unshift before the pipe',
    async run(scene) {
      const server = net.createServer((socket) => {
        const source = scene.source(scene.create(file.path))
        source.unshift(Buffer.from('put in front'))
        source.pipe(socket)
      })
      const client = await scene.connect(await scene.listen(server))
      await within(client.closed, 'the end')
      await scene.quiet()
      return sha256(client.bytes())
    },
  },
  {
    name: 'push is replaced',
    kernel: false,
    run: (scene) =>
      interfere(scene, () => {}, {
        before(source) {
          const { push } = source
          source.push = (chunk) => Reflect.apply(push, source, [chunk])
        },
      }),
  },
]
