/** Files that change while they are sent, and special files. */
import fs from 'node:fs'
import net from 'node:net'
import { fileOf, MIB, sha256, within, writeFile } from '../scene.mjs'

const bytes = fileOf(8 * MIB).bytes
let made = 0
const fresh = (content = bytes) => writeFile(`changing-${(made += 1)}.bin`, content)

/** Pipes `path` to a socket, and calls `act` after 100 bytes have arrived and the reader has stopped. */
async function changed(scene, path, act) {
  const server = net.createServer((socket) => scene.source(scene.create(path)).pipe(socket))
  const client = await scene.connect(await scene.listen(server))
  await client.has(100)
  act()
  await within(client.closed, 'the end')
  await scene.quiet()
  return client.bytes()
}

export const scenarios = [
  {
    name: 'a file that grows is read to its new end',
    async run(scene) {
      const path = fresh()
      const got = await changed(scene, path, () => fs.appendFileSync(path, Buffer.alloc(3 * MIB, 'g')))
      return { start: got.subarray(0, bytes.length).equals(bytes), length: got.length }
    },
  },
  {
    name: 'a file that grows beyond `end`',
    async run(scene) {
      const path = fresh()
      const server = net.createServer((socket) => {
        scene.source(scene.create(path, { end: 6 * MIB })).pipe(socket)
        fs.appendFileSync(path, 'more')
      })
      const client = await scene.connect(await scene.listen(server))
      await within(client.closed, 'the end')
      await scene.quiet()
      return sha256(client.bytes())
    },
  },
  {
    name: 'a truncated file ends a socket',
    figures: false,
    kernel: undefined,
    async run(scene) {
      const large = fileOf(32 * MIB)
      const path = fresh(large.bytes)
      const got = await changed(scene, path, () => fs.truncateSync(path, 20 * MIB))
      return { prefix: got.equals(large.bytes.subarray(0, got.length)), cut: got.length < large.size }
    },
  },
  {
    name: 'a file that is removed and created again is sent in its old version',
    async run(scene) {
      const path = fresh()
      const got = await changed(scene, path, () => {
        fs.unlinkSync(path)
        fs.writeFileSync(path, 'another')
      })
      return sha256(got)
    },
  },
  {
    name: 'a sparse file',
    async run(scene) {
      const path = fresh('start')
      fs.truncateSync(path, 8 * MIB)
      const server = await scene.serve((req, res) => void scene.source(scene.create(path)).pipe(res))
      return scene.get(server.at)
    },
  },
  {
    name: 'a file that consists of holes',
    async run(scene) {
      const path = fresh('')
      fs.truncateSync(path, 2 * MIB)
      const server = await scene.serve((req, res) => void scene.source(scene.create(path)).pipe(res))
      return scene.get(server.at)
    },
  },
  ...['/proc/version', '/sys/kernel/mm/transparent_hugepage/enabled', '/proc/self/cmdline', '/dev/null'].map(
    (path) => ({
      name: path,
      kernel: false,
      async run(scene) {
        const server = await scene.serve((req, res) => void scene.source(scene.create(path)).pipe(res))
        return scene.get(server.at)
      },
    }),
  ),
  {
    name: '/dev/zero up to `end`',
    kernel: false,
    async run(scene) {
      const server = await scene.serve(
        (req, res) => void scene.source(scene.create('/dev/zero', { end: 200_000 })).pipe(res),
      )
      return scene.get(server.at)
    },
  },
]
