/** Every way to make a file stream, and to make a class of one. */
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import { inherits } from 'node:util'
import { fileOf, MIB, sha256, within } from '../scene.mjs'

const file = fileOf(8 * MIB)

async function pipeOf(scene, make) {
  let source
  const server = net.createServer((socket) => {
    source = make()
    scene.streams.push(source)
    scene.source(source).pipe(socket)
  })
  const client = await scene.connect(await scene.listen(server))
  await within(client.closed, 'the end')
  await scene.quiet()
  return {
    sha256: sha256(client.bytes()),
    stock: source instanceof fs.ReadStream,
    own: source instanceof scene.lib.ReadStream,
    name: source.constructor.name,
    keys: Object.keys(source).toSorted(),
    path: source.path === file.path,
    inspected: Object.prototype.toString.call(source),
  }
}

const makes = {
  new: ({ ReadStream }) => new ReadStream(file.path),
  'a call without new': ({ ReadStream }) => ReadStream(file.path),
  'ReadStream.call(object)': ({ ReadStream }) => {
    function Old(path) {
      ReadStream.call(this, path)
      this.mine = true
    }
    inherits(Old, ReadStream)
    return new Old(file.path)
  },
  'apply, and the prototype set by hand': ({ ReadStream }) => {
    function Old(...args) {
      if (this instanceof Old) return void ReadStream.apply(this, args)
      return Reflect.apply(Old, Object.create(Old.prototype), args)
    }
    Old.prototype = Object.create(ReadStream.prototype)
    Old.prototype.constructor = Old
    return new Old(file.path)
  },
  'class extends': ({ ReadStream }) =>
    new (class Mine extends ReadStream {
      mine = 1
    })(file.path),
  'class extends, with a transfer of its own': ({ ReadStream }) => {
    class Mine extends ReadStream {
      constructor(path) {
        super(path)
        this.label = 'x'
      }
    }
    return new Mine(file.path)
  },
  'Reflect.construct': ({ ReadStream }) => Reflect.construct(ReadStream, [file.path]),
  'Reflect.construct with another target': ({ ReadStream }) => {
    class Mine extends ReadStream {}
    return Reflect.construct(ReadStream, [file.path, { start: 5 }], Mine)
  },
}

const made = Object.entries(makes).map(([name, make]) => ({
  name,
  run: (scene) => pipeOf(scene, () => make(scene.lib)),
}))

const overridden = [
  {
    name: 'open() is overridden, as graceful-fs does',
    run: (scene) =>
      pipeOf(scene, () => {
        class Patient extends scene.lib.ReadStream {
          open() {
            fs.open(this.path, this.flags, this.mode, (error, fd) => {
              if (error) return this.destroy(error)
              this.fd = fd
              this.emit('open', fd)
              this.emit('ready')
            })
          }
        }
        return new Patient(file.path)
      }),
  },
  {
    name: '_read is overridden',
    kernel: false,
    run: (scene) =>
      pipeOf(scene, () => {
        let left = 3
        class Own extends scene.lib.ReadStream {
          _read() {
            left -= 1
            this.push(left >= 0 ? Buffer.alloc(1000, left) : null)
          }
        }
        return new Own(file.path)
      }),
  },
  {
    name: '_read is overridden and calls super',
    run: (scene) =>
      pipeOf(scene, () => {
        class Own extends scene.lib.ReadStream {
          _read(size) {
            super._read(size)
          }
        }
        return new Own(file.path)
      }),
  },
  {
    name: '_destroy is overridden',
    run: (scene) =>
      pipeOf(scene, () => {
        class Own extends scene.lib.ReadStream {
          _destroy(error, callback) {
            scene.events.push('_destroy')
            super._destroy(error, callback)
          }
        }
        return new Own(file.path)
      }),
  },
  {
    name: 'emit is overridden and sees every chunk',
    kernel: false,
    run: (scene) =>
      pipeOf(scene, () => {
        let seen = 0
        class Own extends scene.lib.ReadStream {
          emit(name, ...args) {
            if (name === 'data') seen += args[0].length
            if (name === 'end') scene.events.push(`seen ${seen}`)
            return super.emit(name, ...args)
          }
        }
        return new Own(file.path)
      }),
  },
  {
    name: 'pipe is overridden and calls super',
    run: (scene) =>
      pipeOf(scene, () => {
        class Own extends scene.lib.ReadStream {
          pipe(...args) {
            scene.events.push('pipe called')
            return super.pipe(...args)
          }
        }
        return new Own(file.path)
      }),
  },
]

const facts = {
  name: 'the visible properties of the class',
  kernel: false,
  run({ lib: { ReadStream } }) {
    const stream = new ReadStream(file.path)
    const seen = {
      name: ReadStream.name,
      length: ReadStream.length,
      type: typeof ReadStream,
      from: typeof ReadStream.from,
      proto: Object.getPrototypeOf(ReadStream).name,
      pending: stream.pending,
      props: ['path', 'fd', 'flags', 'mode', 'start', 'end', 'pos', 'bytesRead', 'autoClose'].map((name) =>
        String(stream[name]),
      ),
      notPlain: {} instanceof ReadStream,
      notWritable: new net.Socket() instanceof ReadStream,
    }
    stream.destroy()
    return once(stream, 'close').then(() => ({ ...seen, fd: stream.fd, proto: undefined }))
  },
}

export const scenarios = [...made, ...overridden, facts]
