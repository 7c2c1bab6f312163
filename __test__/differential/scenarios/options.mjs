/** The options of fs.createReadStream, good and bad. */
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { pathToFileURL } from 'node:url'
import { fileOf, MIB, plain, sha256, within } from '../scene.mjs'

const file = fileOf(8 * MIB)

/** Pipes the stream of `make` to a socket. */
async function pipeOf(scene, make) {
  let source
  const server = net.createServer(async (socket) => {
    source = scene.source(await make())
    source.pipe(socket)
  })
  const client = await scene.connect(await scene.listen(server))
  await within(client.closed, 'the end')
  await scene.quiet()
  return { sha256: sha256(client.bytes()), length: client.length, path: String(source.path).split('/').at(-1) }
}

const good = [
  ['a file: URL', (scene) => scene.create(pathToFileURL(file.path))],
  ['a Buffer as path', (scene) => scene.create(Buffer.from(file.path))],
  ['null as options', (scene) => scene.create(file.path, null)],
  ['flags r+', (scene) => scene.create(file.path, { flags: 'r+' })],
  ['emitClose: false', (scene) => scene.create(file.path, { emitClose: false })],
  ['a signal that never fires', (scene) => scene.create(file.path, { signal: new AbortController().signal })],
].map(([name, make]) => ({ name, run: (scene) => pipeOf(scene, () => make(scene)) }))

const stockOnly = [
  ['an encoding', (scene) => scene.create(file.path, 'latin1')],
  ['an encoding among the options', (scene) => scene.create(file.path, { encoding: 'hex', end: MIB })],
  [
    'an `fs` option',
    (scene) =>
      scene.create(file.path, {
        fs: { open: fs.open, close: fs.close, read: (fd, buffer, ...rest) => fs.read(fd, buffer, ...rest) },
      }),
  ],
].map(([name, make]) => ({ name, kernel: false, run: (scene) => pipeOf(scene, () => make(scene)) }))

const descriptors = [
  {
    name: 'an fd is read from its position, which moves',
    async run(scene) {
      const fd = fs.openSync(file.path)
      fs.readSync(fd, Buffer.alloc(1234))
      const result = await pipeOf(scene, () => scene.create(null, { fd, autoClose: false }))
      return { result, rest: fs.readSync(fd, Buffer.alloc(10)) }
    },
  },
  {
    name: 'an fd with `end` but no `start` moves the position to `end`',
    async run(scene) {
      const fd = fs.openSync(file.path)
      fs.readSync(fd, Buffer.alloc(1000))
      const result = await pipeOf(scene, () => scene.create(null, { fd, autoClose: false, end: 3 * MIB }))
      const next = Buffer.alloc(16)
      fs.readSync(fd, next)
      return { result, at: file.bytes.indexOf(next) }
    },
  },
  {
    name: 'an fd with `start` keeps the position',
    async run(scene) {
      const fd = fs.openSync(file.path)
      const result = await pipeOf(scene, () => scene.create(null, { fd, autoClose: false, start: 4 * MIB }))
      const next = Buffer.alloc(16)
      fs.readSync(fd, next)
      return { result, at: file.bytes.indexOf(next) }
    },
  },
  {
    name: 'an fd that is closed with the stream',
    run: (scene) => pipeOf(scene, () => scene.create('', { fd: fs.openSync(file.path) })),
  },
  {
    name: 'a FileHandle',
    async run(scene) {
      const handle = await fs.promises.open(file.path)
      const result = await pipeOf(scene, () => scene.create(null, { fd: handle }))
      return { result, fd: handle.fd }
    },
  },
  {
    name: 'a FileHandle that is not closed with the stream',
    async run(scene) {
      const handle = await fs.promises.open(file.path)
      const result = await pipeOf(scene, () => scene.create(null, { fd: handle, autoClose: false, start: 10 }))
      const open = handle.fd >= 0
      await handle.close()
      return { result, open }
    },
  },
  {
    name: 'a FileHandle that is closed in the middle',
    figures: false,
    async run(scene) {
      const handle = await fs.promises.open(file.path)
      let source
      const server = net.createServer((socket) => {
        source = scene.create(null, { fd: handle })
        source.pipe(socket)
        source.on('close', () => socket.end())
        source.on('error', (error) => scene.events.push(plain(error).code))
      })
      const client = await scene.connect(await scene.listen(server))
      await client.has(MIB)
      await handle.close()
      await within(client.closed, 'the end')
      return { prefix: client.bytes().equals(file.bytes.subarray(0, client.length)), destroyed: source.destroyed }
    },
  },
  {
    name: 'autoClose: false',
    async run(scene) {
      let source
      const result = await pipeOf(scene, () => (source = scene.create(file.path, { autoClose: false })))
      const state = [typeof source.fd, source.destroyed, source.readableEnded, source.autoClose]
      source.close()
      await within(once(source, 'close'), 'close')
      return { result, state, fd: source.fd }
    },
  },
]

const NO_FILE = `${tmpdir()}/no-such-file-of-sendfile64`
const BAD = [
  ['no path', [undefined]],
  ['null as path', [null]],
  ['a number as path', [5]],
  ['an object as path', [{}]],
  ['a path with NUL', ['/tmp/\0']],
  ['an http: URL', [new URL('http://localhost/')]],
  ['options of another type', [file.path, 5]],
  ['an unknown encoding', [file.path, 'no-such-encoding']],
  ['start of another type', [file.path, { start: '0' }]],
  ['start that is no integer', [file.path, { start: 1.5 }]],
  ['start that is NaN', [file.path, { start: Number.NaN }]],
  ['a negative start', [file.path, { start: -1 }]],
  ['start beyond end', [file.path, { start: 5, end: 4 }]],
  ['end of another type', [file.path, { end: '9' }]],
  ['a negative end', [file.path, { end: -1 }]],
  ['fd of another type', [file.path, { fd: '3' }]],
  ['a negative fd', [file.path, { fd: -1 }]],
  ['fs without read', [file.path, { fs: { open() {}, close() {} } }]],
  ['fs without open', [file.path, { fs: { read() {}, close() {} } }]],
  ['a bad highWaterMark', [file.path, { highWaterMark: -1 }]],
  ['a bad signal', [file.path, { signal: {} }]],
  ['bad flags', [file.path, { flags: 'nonsense' }]],
].map(([name, args]) => ({
  name: `bad: ${name}`,
  kernel: false,
  async run(scene) {
    try {
      const source = scene.source(scene.create(...args))
      source.on('error', (error) => scene.events.push(plain(error)))
      await within(
        once(source, 'close').catch(() => {}),
        'close',
      )
      await scene.quiet()
      return 'made'
    } catch (error) {
      return plain(error)
    }
  },
}))

const unopened = [
  ['a file that does not exist', () => [NO_FILE]],
  ['a directory', () => [tmpdir()]],
  ['a closed fd', () => [null, { fd: 987_654 }]],
  [
    'a fd that cannot be read',
    (scene) => {
      const fd = fs.openSync(`${file.path}.out`, 'w')
      scene.later(() => fs.existsSync(`${file.path}.out`) && fs.unlinkSync(`${file.path}.out`))
      return [null, { fd }]
    },
  ],
].flatMap(([name, args]) =>
  ['pipe', 'read'].map((way) => ({
    name: `unreadable: ${name}, ${way}`,
    kernel: false,
    async run(scene) {
      const server = await scene.serve((req, res) => {
        const source = scene.source(scene.create(...args(scene)))
        source.on('error', (error) => {
          scene.events.push(plain(error))
          res.writeHead(500).end('no')
        })
        if (way === 'pipe') source.pipe(res)
        else source.resume()
      })
      return scene.get(server.at)
    },
  })),
)

export const scenarios = [...good, ...stockOnly, ...descriptors, ...BAD, ...unopened]
