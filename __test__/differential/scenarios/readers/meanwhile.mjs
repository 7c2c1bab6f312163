/** Readers of the stream and changes to its pipes in the middle of a pipe. */
import net from 'node:net'
import { PassThrough } from 'node:stream'
import { MIB, sha256, within } from '../../scene.mjs'
import { file, interfere } from './interfere.mjs'

/** The bytes of a listener that was added later: everything from some byte, and nothing twice. */
const isTail = (chunks) => {
  const bytes = Buffer.concat(chunks)
  return bytes.equals(file.bytes.subarray(file.size - bytes.length))
}

export const meanwhile = [
  {
    name: "a 'data' listener before the pipe",
    kernel: false,
    async run(scene) {
      const chunks = []
      const result = await interfere(scene, () => {}, {
        before: (source) => source.on('data', (chunk) => chunks.push(chunk)),
      })
      return { result, heard: sha256(Buffer.concat(chunks)) }
    },
  },
  {
    name: "a 'data' listener added later receives the rest",
    async run(scene) {
      const chunks = []
      const result = await interfere(scene, (source) => void source.on('data', (chunk) => chunks.push(chunk)), {
        slow: true,
      })
      return { result, tail: isTail(chunks), markers: chunks.some(({ length }) => length > 65_536) }
    },
  },
  {
    name: "a 'data' listener that is added and removed",
    async run(scene) {
      const result = await interfere(
        scene,
        async (source) => {
          const listener = () => {}
          source.on('data', listener)
          await new Promise((resolve) => setTimeout(resolve, 5))
          source.off('data', listener)
        },
        { slow: true },
      )
      return result
    },
  },
  {
    name: "a 'readable' listener that is added and removed",
    run: (scene) =>
      interfere(
        scene,
        async (source) => {
          const listener = () => {}
          source.on('readable', listener)
          await new Promise((resolve) => setTimeout(resolve, 5))
          source.off('readable', listener)
          await new Promise((resolve) => setTimeout(resolve, 5))
          source.resume()
        },
        { slow: true },
      ),
  },
  {
    name: 'pause and resume',
    run: (scene) =>
      interfere(
        scene,
        async (source) => {
          for (let i = 0; i < 5; i++) {
            source.pause()
            await new Promise((resolve) => setTimeout(resolve, 5))
            source.resume()
            await new Promise((resolve) => setTimeout(resolve, 2))
          }
        },
        { at: MIB, slow: true },
      ),
  },
  {
    name: 'a long pause',
    run: (scene) =>
      interfere(
        scene,
        // Its duration varies: the 'drain' of a pending write ends it (readable.js, pipeOnDrain).
        async (source) => {
          source.pause()
          await new Promise((resolve) => setTimeout(resolve, 100))
          source.resume()
        },
        { at: 100, slow: true },
      ),
  },
  {
    name: 'a pause before the first byte',
    run: (scene) =>
      interfere(
        scene,
        async (source, _, client) => {
          await new Promise((resolve) => setTimeout(resolve, 100))
          const paused = [source.isPaused(), source.readableFlowing, client.length, source.bytesRead <= MIB]
          source.resume()
          return paused
        },
        { at: 0, before: (source) => source.once('open', () => source.pause()) },
      ),
  },
  {
    name: 'a second destination added later receives the rest',
    async run(scene) {
      const second = new PassThrough()
      const chunks = []
      second.on('data', (chunk) => chunks.push(chunk))
      const result = await interfere(scene, (source) => void source.pipe(second), { slow: true })
      return { result, tail: isTail(chunks) }
    },
  },
  {
    name: 'two destinations from the start',
    kernel: false,
    async run(scene) {
      const second = new PassThrough()
      const chunks = []
      second.on('data', (chunk) => chunks.push(chunk))
      const result = await interfere(scene, () => {}, { before: (source) => source.pipe(second) })
      return { result, whole: sha256(Buffer.concat(chunks)) }
    },
  },
  {
    name: 'setEncoding in the middle',
    async run(scene) {
      const result = await interfere(
        scene,
        (source) => {
          source.setEncoding('latin1')
        },
        { slow: true },
      )
      // Node writes latin1 text as UTF-8 from then on; where that begins varies.
      return result.ended
    },
    figures: true,
  },
  {
    name: 'unpipe, then the rest to another destination',
    async run(scene) {
      const rest = []
      let left = 0
      const server = net.createServer(async (socket) => {
        const source = scene.create(file.path)
        source.pipe(socket)
        while (source.bytesRead < MIB) await new Promise((resolve) => setImmediate(resolve))
        scene.note(source)
        source.unpipe(socket)
        const second = new PassThrough()
        second.on('data', (chunk) => rest.push(chunk))
        second.on('end', () => socket.end())
        source.pipe(second)
        left = 1
      })
      const client = await scene.connect(await scene.listen(server))
      await within(client.closed, 'the end')
      const all = Buffer.concat([client.bytes(), ...rest])
      return { left, sha256: sha256(all), sum: all.length }
    },
  },
  {
    name: 'unpipe, then back to the same destination',
    async run(scene) {
      const result = await interfere(
        scene,
        async (source, socket) => {
          source.unpipe(socket)
          const flowing = source.readableFlowing
          await new Promise((resolve) => setTimeout(resolve, 20))
          source.pipe(socket)
          return flowing
        },
        { at: MIB, slow: true },
      )
      return result
    },
  },
  {
    name: 'unpipe() of everything, then a reader for the rest',
    async run(scene) {
      const rest = []
      const server = net.createServer(async (socket) => {
        const source = scene.create(file.path)
        source.pipe(socket)
        while (socket.bytesWritten < MIB) await new Promise((resolve) => setImmediate(resolve))
        source.unpipe()
        for await (const chunk of source) rest.push(chunk)
        socket.end()
      })
      const client = await scene.connect(await scene.listen(server))
      await within(client.closed, 'the end')
      return sha256(Buffer.concat([client.bytes(), ...rest]))
    },
  },
  {
    name: 'from one socket to the next',
    async run(scene) {
      const parts = []
      const server = net.createServer((socket) => parts.push(socket))
      const port = await scene.listen(server)
      const clients = [await scene.connect(port), await scene.connect(port), await scene.connect(port)]
      while (parts.length < 3) await new Promise((resolve) => setImmediate(resolve))
      const source = scene.create(file.path)
      for (const [index, socket] of parts.entries()) {
        source.pipe(socket)
        if (index < 2) {
          while (socket.bytesWritten < MIB) await new Promise((resolve) => setImmediate(resolve))
          scene.note(source)
          source.unpipe(socket)
          socket.end()
        }
      }
      await within(Promise.all(clients.map(({ closed }) => closed)), 'the end')
      return sha256(Buffer.concat(clients.map((client) => client.bytes())))
    },
  },
]
