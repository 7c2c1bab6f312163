/** Environments of streams: other threads and processes, contexts of AsyncLocalStorage, reused numbers. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { Worker } from 'node:worker_threads'
import { fileOf, MIB, sha256, within } from '../scene.mjs'

const file = fileOf(8 * MIB)
const entry = new URL('../../../dist/index.js', import.meta.url).href

/** A program that pipes the file by a stock stream or by this package. */
const program = (scene, body) => `
  import fs from 'node:fs'
  import { createReadStream as ours } from '${entry}'
  const create = ${scene.lib.name === 'stock' ? 'fs.createReadStream' : 'ours'}
  const path = ${JSON.stringify(file.path)}
  ${body}
`

const SERVE = `
  import http from 'node:http'
  import { parentPort } from 'node:worker_threads'
  const server = http.createServer((req, res) => void create(path).pipe(res))
  server.listen(0, '127.0.0.1', () => (parentPort ?? { postMessage: (port) => process.send(port) }).postMessage(server.address().port))
`

async function output(child) {
  const body = Buffer.concat(await child.stdout.toArray())
  if (child.exitCode === null) await within(once(child, 'exit'), 'the exit')
  return { sha256: sha256(body), length: body.length, code: child.exitCode, signal: child.signalCode }
}

const run = (source, stdio) => spawn(process.execPath, ['--input-type=module', '--eval', source], { stdio })

export const scenarios = [
  {
    name: 'a server in a worker thread that is terminated',
    async run(scene) {
      const url = new URL(`data:text/javascript,${encodeURIComponent(program(scene, SERVE))}`)
      const worker = new Worker(url)
      const [port] = await within(once(worker, 'message'), 'the port')
      const answers = [await scene.get(port), await scene.get(port)]
      const client = await scene.connect(port)
      client.socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
      await client.has(100)
      return { answers, code: await worker.terminate() }
    },
  },
  {
    name: 'a server in another process that exits in the middle',
    async run(scene) {
      const child = spawn(process.execPath, ['--input-type=module', '--eval', program(scene, SERVE)], {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      })
      const [port] = await within(once(child, 'message'), 'the port')
      const answer = await scene.get(port)
      child.kill('SIGTERM')
      const [code, signal] = await within(once(child, 'exit'), 'the exit')
      return { answer, code, signal }
    },
  },
  {
    name: 'process.stdout is a pipe',
    run: (scene) => output(run(program(scene, 'create(path).pipe(process.stdout)'), ['ignore', 'pipe', 'inherit'])),
  },
  {
    name: 'process.stdout closes early',
    async run(scene) {
      const child = run(
        program(
          scene,
          "process.stdout.on('error', (error) => process.exit(error.code === 'EPIPE' ? 7 : 8)); create(path).pipe(process.stdout)",
        ),
        ['ignore', 'pipe', 'inherit'],
      )
      await within(once(child.stdout, 'data'), 'some bytes')
      child.stdout.destroy()
      const [code, signal] = await within(once(child, 'exit'), 'the exit')
      return { code, signal }
    },
  },
  {
    name: 'a program ends with its transfer',
    run: (scene) =>
      output(
        run(
          program(
            scene,
            `import net from 'node:net'
             const server = net.createServer((socket) => socket.resume()).listen(0, () => {
               const socket = net.connect(server.address().port)
               create(path).pipe(socket).on('close', () => server.close(() => console.log('closed', socket.bytesWritten)))
             })`,
          ),
          ['ignore', 'pipe', 'inherit'],
        ),
      ),
  },
].map((scenario) => Object.assign(scenario, { kernel: undefined }))

scenarios.push(
  {
    name: 'AsyncLocalStorage has its store in every event',
    async run(scene) {
      const storage = new AsyncLocalStorage()
      const seen = []
      const server = await scene.serve((req, res) =>
        storage.run(req.url, () => {
          const source = scene.create(file.path)
          for (const name of ['open', 'end', 'close'])
            source.on(name, () => seen.push(`src ${name} ${storage.getStore()}`))
          for (const name of ['unpipe', 'prefinish', 'finish', 'close'])
            res.on(name, () => seen.push(`res ${name} ${storage.getStore()}`))
          source.pipe(res)
        }),
      )
      await scene.exchange(server.at, [{ path: '/a' }, { path: '/b' }])
      return seen.toSorted()
    },
  },
  {
    name: 'a number that the next connection reuses',
    figures: false,
    async run(scene) {
      const sources = []
      const server = net.createServer((socket) => {
        socket.on('error', () => {})
        const source = scene.create(file.path, { start: sources.length })
        sources.push(source)
        source.pipe(socket)
        if (sources.length === 1) setTimeout(() => socket.destroy(), 10)
      })
      const port = await scene.listen(server)
      const first = await scene.connect(port)
      first.socket.pause()
      await within(new Promise((resolve) => setTimeout(resolve, 50)), 'a while')
      const second = await scene.connect(port)
      await within(second.closed, 'the end of the second')
      first.socket.resume()
      await within(first.closed, 'the end of the first')
      const got = first.bytes()
      return {
        prefix: got.equals(file.bytes.subarray(0, got.length)),
        second: second.bytes().equals(file.bytes.subarray(1)),
      }
    },
  },
)
