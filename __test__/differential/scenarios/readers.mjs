/** Other readers of the stream beside or instead of a pipe, before it begins or in its middle. */
import { once } from 'node:events'
import net from 'node:net'
import { finished, PassThrough, Readable } from 'node:stream'
import { fileOf, MIB, sha256, within } from '../scene.mjs'

const file = fileOf(8 * MIB)

const alone = [
  {
    name: "'data' listeners",
    async run(scene) {
      const chunks = []
      const source = scene.source(scene.create(file.path))
      source.on('data', (chunk) => chunks.push(chunk))
      await within(once(source, 'close'), 'the end')
      return { sizes: chunks.map(({ length }) => length), sha256: sha256(Buffer.concat(chunks)) }
    },
  },
  {
    name: "'readable' listeners",
    async run(scene) {
      const chunks = []
      const source = scene.source(scene.create(file.path))
      source.on('readable', () => {
        for (let chunk = source.read(); chunk !== null; chunk = source.read()) chunks.push(chunk)
      })
      await within(once(source, 'close'), 'the end')
      return sha256(Buffer.concat(chunks))
    },
  },
  {
    name: 'for await',
    async run(scene) {
      const sizes = []
      for await (const chunk of scene.source(scene.create(file.path))) sizes.push(chunk.length)
      return sizes
    },
  },
  {
    name: 'for await with a break in the middle',
    async run(scene) {
      const source = scene.source(scene.create(file.path))
      let count = 0
      for await (const chunk of source) if ((count += chunk.length) > MIB) break
      return [count, source.destroyed]
    },
  },
  {
    name: 'Readable.toWeb',
    async run(scene) {
      const chunks = []
      for await (const chunk of Readable.toWeb(scene.create(file.path))) chunks.push(chunk)
      return sha256(Buffer.concat(chunks))
    },
  },
  {
    name: 'compose',
    async run(scene) {
      const composed = scene.create(file.path).compose(new PassThrough())
      return sha256(Buffer.concat(await composed.toArray()))
    },
  },
  {
    name: 'toArray, and iterator helpers',
    async run(scene) {
      const first = await scene.create(file.path).toArray()
      const lengths = await scene
        .create(file.path)
        .map(({ length }) => length)
        .take(3)
        .toArray()
      return [sha256(Buffer.concat(first)), lengths]
    },
  },
  {
    name: 'finished()',
    async run(scene) {
      const source = scene.create(file.path)
      source.resume()
      const error = await new Promise((resolve) => finished(source, (found) => resolve(found)))
      return [error, source.bytesRead]
    },
  },
  {
    name: 'setEncoding',
    async run(scene) {
      const source = scene.create(file.path).setEncoding('hex')
      let text = ''
      for await (const chunk of source) text += chunk
      return sha256(text)
    },
  },
].map((scenario) => Object.assign(scenario, { kernel: false }))

/** Pipes to a socket, interferes after `at` bytes, and returns the received bytes. */
async function interfere(scene, act, { at = 3 * MIB, options, slow = false, before } = {}) {
  let source
  let target
  const server = net.createServer((socket) => {
    target = socket
    source = scene.source(scene.create(file.path, options))
    before?.(source, socket)
    source.pipe(socket)
  })
  const client = await scene.connect(await scene.listen(server))
  if (slow) client.socket.on('data', () => client.socket.pause() && setTimeout(() => client.socket.resume(), 1))
  await client.has(at)
  scene.note(source)
  const extra = await act(source, target, client)
  await within(client.closed, 'the end of the connection')
  await scene.quiet()
  const bytes = client.bytes()
  return { sha256: sha256(bytes), right: bytes.equals(file.bytes), ended: client.ended, extra }
}

/** The bytes of a listener that was added later: everything from some byte, and nothing twice. */
const isTail = (chunks) => {
  const bytes = Buffer.concat(chunks)
  return bytes.equals(file.bytes.subarray(file.size - bytes.length))
}

const meanwhile = [
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

const prefix = [
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

export const scenarios = [...alone, ...meanwhile, ...prefix]
