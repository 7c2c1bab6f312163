/** Bare sockets: TCP, unix, pipes of a child; bytes before and after; several streams to one socket. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream'
import { pipeline as pipelinePromise } from 'node:stream/promises'
import { fileOf, MIB, plain, sha256, within } from '../scene.mjs'

const file = fileOf(8 * MIB)
const SOCKET_EVENTS = ['pipe', 'unpipe', 'prefinish', 'finish', 'error']
const SOURCE_EVENTS = ['open', 'ready', 'end', 'error']
/** A pipeline calls its callback after the file is closed. */
const WITH_CLOSE = [...SOURCE_EVENTS, 'close']
let sockets = 0

const AT = {
  tcp: () => ({ port: 0, host: '127.0.0.1' }),
  unix: () => ({ path: join(tmpdir(), `sendfile64-differential-${process.pid}-${(sockets += 1)}`) }),
}

/** A server that calls `act(socket, source)` for each connection; returns the bytes of the client. */
async function send(scene, act, { kind = 'tcp', options, allowHalfOpen = false, read, events = SOURCE_EVENTS } = {}) {
  const server = net.createServer({ allowHalfOpen }, (socket) => {
    scene.record(socket, 'socket', SOCKET_EVENTS)
    scene.expect(socket)
    const source = scene.source(scene.create(file.path, options), events)
    // The time at which the peer ends varies, and a thread closes the file.
    scene.recordAnyOrder(socket, 'socket', ['end', 'close'])
    if (!events.includes('close')) scene.recordAnyOrder(source, 'src', ['close'])
    act(socket, source)
  })
  const client = await scene.connect(await scene.listen(server, AT[kind]()))
  await (read?.(client) ?? within(client.closed, 'the end of the connection'))
  await scene.quiet()
  const bytes = client.bytes()
  return { length: bytes.length, sha256: sha256(bytes), ended: client.ended, failed: client.failed }
}

const plainPipes = Object.keys(AT).flatMap((kind) => [
  { name: `${kind}: pipe`, run: (scene) => send(scene, (socket, source) => source.pipe(socket), { kind }) },
  {
    name: `${kind}: pipeline`,
    run: (scene) =>
      send(
        scene,
        (socket, source) => pipeline(source, socket, (error) => scene.events.push(`callback ${error?.code}`)),
        { kind, events: WITH_CLOSE },
      ),
  },
  {
    name: `${kind}: promises.pipeline`,
    run: (scene) =>
      send(
        scene,
        (socket, source) =>
          pipelinePromise(source, socket).then(
            () => scene.events.push('resolved'),
            (error) => scene.events.push(`rejected ${error.code}`),
          ),
        { kind, events: WITH_CLOSE },
      ),
  },
  {
    name: `${kind}: bytes before and after`,
    run: (scene) =>
      send(
        scene,
        (socket, source) => {
          socket.write(Buffer.alloc(5 * MIB, 'b'))
          source.pipe(socket, { end: false })
          source.on('end', () => socket.end(Buffer.alloc(MIB, 'a')))
        },
        { kind },
      ),
  },
  {
    name: `${kind}: three consecutive streams`,
    run: (scene) =>
      send(
        scene,
        async (socket, source) => {
          for (const stream of [source, scene.create(file.path, { start: MIB }), scene.create(file.path, { end: 9 })]) {
            stream.pipe(socket, { end: false })
            await once(stream, 'end')
          }
          socket.end()
        },
        { kind },
      ),
  },
  {
    name: `${kind}: bytes written while the file is sent arrive between two writes`,
    async run(scene) {
      let total = 0
      const result = await send(
        scene,
        (socket, source) => {
          source.pipe(socket, { end: false })
          const timer = setInterval(() => {
            socket.write('#')
            total += 1
          }, 1)
          source.on('end', () => {
            clearInterval(timer)
            socket.end()
          })
        },
        { kind },
      )
      return { missing: result.length - total - file.size, ended: result.ended }
    },
  },
])

const states = [
  {
    name: 'a client that half-closes first still receives everything',
    run: (scene) =>
      send(scene, (socket, source) => void socket.resume().on('end', () => source.pipe(socket)), {
        allowHalfOpen: true,
        events: ['end', 'error'], // whether the file is open before the client ends varies
        read(client) {
          client.socket.end()
          return client.closed
        },
      }),
  },
  {
    name: 'bytesWritten and the idle timer',
    async run(scene) {
      const seen = {}
      const answer = await send(scene, (socket, source) => {
        socket.setTimeout(400, () => {
          seen.timeout = true
        })
        source.pipe(socket)
        socket.on('finish', () => {
          seen.written = socket.bytesWritten
          seen.length = socket.writableLength
        })
      })
      return { answer, seen }
    },
  },
  {
    name: 'a slow reader does not trigger the idle timer',
    async run(scene) {
      const seen = { timeouts: 0 }
      const answer = await send(
        scene,
        (socket, source) => {
          socket.setTimeout(1500, () => (seen.timeouts += 1))
          source.pipe(socket)
        },
        {
          read(client) {
            let slept = 0
            client.socket.on('data', () => {
              if ((slept += 1) > 100) return
              client.socket.pause()
              setTimeout(() => client.socket.resume(), 20)
            })
            return client.closed
          },
        },
      )
      return { answer, seen }
    },
  },
  {
    name: 'piped before the socket is connected',
    async run(scene) {
      const got = []
      const server = net.createServer((socket) => socket.on('data', (chunk) => got.push(chunk)))
      const port = await scene.listen(server)
      const socket = scene.record(net.connect(port, '127.0.0.1'), 'socket', SOCKET_EVENTS)
      scene.source(scene.create(file.path)).pipe(socket)
      await within(once(socket, 'close'), 'the end')
      return { sha256: sha256(Buffer.concat(got)), written: socket.bytesWritten }
    },
  },
  {
    name: 'a connection that is refused',
    kernel: false,
    figures: false,
    async run(scene) {
      const server = net.createServer()
      const port = await scene.listen(server)
      await new Promise((resolve) => server.close(resolve))
      const socket = scene.record(net.connect(port, '127.0.0.1'), 'socket', SOCKET_EVENTS)
      const errors = []
      socket.on('error', (error) => errors.push(error.code))
      scene.create(file.path).pipe(socket)
      await within(new Promise((resolve) => socket.on('close', resolve)), 'the end')
      return errors
    },
  },
  {
    name: 'a socket whose write is wrapped',
    kernel: false,
    async run(scene) {
      let seen = 0
      const answer = await send(scene, (socket, source) => {
        const { write } = socket
        socket.write = (chunk, ...rest) => {
          seen += chunk.length
          return Reflect.apply(write, socket, [chunk, ...rest])
        }
        source.pipe(socket)
      })
      return { answer, seen }
    },
  },
  {
    name: 'a socket that is corked temporarily',
    run: (scene) =>
      send(scene, (socket, source) => {
        socket.cork()
        socket.write('first ')
        source.pipe(socket)
        setTimeout(() => socket.uncork(), 20)
      }),
  },
]

const children = ['pipe', 'pipeline'].map((way) => ({
  name: `the standard input of a child, by ${way}`,
  async run(scene) {
    const child = spawn('sha256sum', { stdio: ['pipe', 'pipe', 'inherit'] })
    const source = scene.source(scene.create(file.path))
    if (way === 'pipe') source.pipe(child.stdin)
    else pipeline(source, child.stdin, (error) => scene.events.push(`callback ${error?.code}`))
    const output = await child.stdout.toArray()
    await scene.quiet()
    return String(Buffer.concat(output)).split(' ')[0]
  },
}))

const dying = {
  name: 'a child that exits without reading',
  figures: false,
  kernel: undefined,
  async run(scene) {
    const child = spawn('true', { stdio: ['pipe', 'ignore', 'inherit'] })
    const errors = []
    child.stdin.on('error', (error) => errors.push(plain(error)))
    const source = scene.create(file.path)
    source.on('error', (error) => errors.push(['src', plain(error)]))
    source.pipe(child.stdin)
    await once(child, 'exit')
    await within(child.stdin.closed ? Promise.resolve() : once(child.stdin, 'close'), 'the end of stdin')
    return { errors, flowing: source.destroyed }
  },
}

export const scenarios = [...plainPipes, ...states, ...children, dying]
