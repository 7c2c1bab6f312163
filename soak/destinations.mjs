// Every kind of destination, with a reader at its other end that follows the plan.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { constants, createReadStream, openSync, readFileSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import http from 'node:http'
import net from 'node:net'
import { join } from 'node:path'
import tls from 'node:tls'
import { promisify } from 'node:util'

const read = (name) => readFileSync(new URL(`../__test__/fixtures/tls/${name}`, import.meta.url), 'utf8')
const [cert, key] = [read('certificate.pem'), read('key.pem')]

/** The bytes received by a reader: their number and SHA-256. */
export class Reader {
  #hash = createHash('sha256')
  length = 0
  /** Called with every number of bytes. */
  onLength = () => {}

  constructor(stream, end) {
    this.stream = stream
    this.closed = new Promise((resolve) => stream.once('close', resolve))
    stream.on('error', () => {}) // the plan has a reset; the bytes received until then count
    stream.on('data', (chunk) => {
      this.#hash.update(chunk)
      this.length += chunk.length
      if (end === 'slow') {
        stream.pause()
        setImmediate(() => setImmediate(() => stream.resume()))
      }
      this.onLength(this.length)
    })
    if (end === 'stop') stream.pause()
  }

  digest() {
    return this.#hash.digest('hex')
  }
}

/** A pair of sockets, and a server that is closed when they are connected. */
async function sockets(server, listening, connect, end, event = 'connection') {
  const readers = []
  server.on(event, (socket) => readers.push(new Reader(socket, end)))
  const arrived = once(server, event)
  server.listen(...listening)
  await once(server, 'listening')
  const near = connect(server.address())
  near.on('error', () => {}) // sendfile() rejects with it
  await Promise.all([once(near, event === 'connection' ? 'connect' : 'secureConnect'), arrived])
  server.close()
  const [reader] = readers
  return {
    target: near,
    reader,
    // Only TCP has a reset.
    reset: () =>
      event === 'connection' && near.remotePort ? reader.stream.resetAndDestroy() : reader.stream.destroy(),
    destroy: () => near.destroy(),
    end: () => near.end(),
    close: async () => {
      near.destroy()
      reader.stream.destroy()
      await reader.closed
    },
  }
}

const overTcp = (plan) =>
  sockets(net.createServer(), [0, '127.0.0.1'], ({ port }) => net.connect(port, '127.0.0.1'), plan.end)

const overUnix = (plan, { directory }) =>
  sockets(net.createServer(), [join(directory, `${plan.index}.sock`)], (path) => net.connect(path), plan.end)

const overTls = (plan) =>
  sockets(
    tls.createServer({ key, cert }),
    [0, '127.0.0.1'],
    ({ port }) => tls.connect({ port, host: '127.0.0.1', ca: cert, servername: 'localhost' }),
    plan.end,
    'secureConnection',
  )

/** One server and one agent for all messages: connections are reused. */
export class HttpPair {
  #waiting = new Map()
  #agent = new http.Agent({ keepAlive: true, maxFreeSockets: 4 })
  #server = http.createServer((request, response) => this.#waiting.get(request.url)?.(response))

  async listen() {
    this.#server.keepAliveTimeout = 0
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  async connect(plan, length) {
    const { request, response, answered } = await this.#ask(plan)
    // Only a reused connection may have been closed in the meantime, see http.request().
    const again = () => {
      if (request.reusedSocket) return this.connect(plan, length)
      throw new Error('a new connection was closed before the response')
    }
    if (response === undefined) return again()
    response.on('error', () => {})
    if (length !== undefined) response.setHeader('Content-Length', length)
    response.flushHeaders()
    const reader = await answered.catch(() => undefined)
    if (reader === undefined) return again()
    return {
      target: response,
      reader,
      reset: () => request.destroy(),
      destroy: () => response.destroy(),
      end: (good) => (good ? response.end() : response.destroy()),
      close: async () => {
        response.destroy()
        reader.stream.destroy()
        await reader.closed
      },
    }
  }

  /** No response if the request has not reached the server. */
  async #ask(plan) {
    const path = `/${plan.index}`
    const { port } = this.#server.address()
    const request = http.get({ port, host: '127.0.0.1', path, agent: this.#agent })
    const answered = once(request, 'response').then(([message]) => new Reader(message, plan.end))
    const arrived = new Promise((resolve) => this.#waiting.set(path, resolve))
    const response = await Promise.race([arrived, answered.catch(() => undefined)])
    this.#waiting.delete(path)
    request.on('error', () => {}) // the response reports later bytes
    return { request, response, answered }
  }

  /** Closes idle connections. */
  rest() {
    this.#agent.destroy()
  }

  close() {
    this.rest()
    this.#server.close()
    this.#server.closeAllConnections()
  }
}

async function overFifo(plan, { directory }) {
  const path = join(directory, `${plan.index}.fifo`)
  await promisify(execFile)('mkfifo', [path])
  // A reader that does not wait for a writer, and then a writer.
  const stream = new net.Socket({ fd: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK), writable: false })
  const writable = await open(path, 'w')
  await rm(path)
  const reader = new Reader(stream, plan.end)
  return byHandle(writable, reader, () => stream.destroy())
}

async function overFile(plan, { directory }) {
  const path = join(directory, `${plan.index}.copy`)
  const handle = await open(path, 'w')
  const destination = byHandle(handle, undefined, () => {})
  const closeHandle = destination.end
  destination.end = async () => {
    await closeHandle()
    destination.reader = new Reader(createReadStream(path), 'read')
    await destination.reader.closed
    await rm(path)
  }
  return destination
}

async function overNull() {
  return byHandle(await open('/dev/null', 'w'), undefined, () => {})
}

function byHandle(handle, reader, closeReader) {
  // `end: true` has closed it already
  const end = async () => void (handle.fd !== -1 && (await handle.close()))
  const close = async () => {
    await end()
    closeReader()
    await reader?.closed
  }
  return { target: handle, reader, reset() {}, destroy() {}, end, close }
}

/** Connects. `length`: of the whole body. */
export function connect(plan, length, place) {
  const makers = {
    tcp: overTcp,
    unix: overUnix,
    tls: overTls,
    fifo: overFifo,
    file: overFile,
    '/dev/null': overNull,
    'http length': () => place.http.connect(plan, length),
    'http chunked': () => place.http.connect(plan, undefined),
  }
  return makers[plan.destination](plan, place)
}
