/** The environment of one run of a scenario: files, servers and clients on loopback, and the recorded observations. */
import { createCipheriv, createHash } from 'node:crypto'
import { once } from 'node:events'
import fs from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const MIB = 1 << 20
const LIMIT_MS = 20_000

export const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')

const directory = fs.mkdtempSync(join(tmpdir(), 'sendfile64-differential-'))
process.once('exit', () => fs.rmSync(directory, { recursive: true, force: true }))
const files = new Map()

/** A file of `size` bytes that look random: a shifted or repeated piece never matches. */
export function fileOf(size) {
  if (!files.has(size)) {
    const bytes = createCipheriv('aes-128-ctr', Buffer.alloc(16, 7), Buffer.alloc(16)).update(Buffer.alloc(size))
    files.set(size, { path: writeFile(`${size}.bin`, bytes), bytes, size })
  }
  return files.get(size)
}

export function writeFile(name, bytes) {
  const path = join(directory, name)
  fs.writeFileSync(path, bytes)
  return path
}

/** The result of `promise`, or an error that names what is missing. */
export async function within(promise, what, limit = LIMIT_MS) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing in ${limit} ms`)), limit)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** An error as it can be compared. */
export const plain = (error) =>
  error === null || error === undefined
    ? error
    : {
        name: error.name,
        code: error.code,
        syscall: error.syscall,
        message: String(error.message).replace(directory, ''),
      }

export class Scene {
  /** `lib`: createReadStream and ReadStream, of Node or of this package. */
  constructor(lib) {
    this.lib = lib
    this.streams = []
    this.events = []
    this.unordered = []
    this.cleanups = []
    /** Emitters without 'close' so far. */
    this.expected = new Set()
  }

  /** Servers learn later than their clients that all has been sent: until nothing is on its way, or a quarter of a second. */
  async quiet() {
    const deadline = performance.now() + 250
    const isOver = () => this.streams.every(({ closed }) => closed) && this.expected.size === 0
    while (!isOver() && performance.now() < deadline) {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
  }

  /** The same for events whose order varies. */
  recordAnyOrder(emitter, label, names) {
    for (const name of names) emitter.on(name, () => this.unordered.push(`${label} ${name}`))
  }

  /** The 'close' of a response or a socket is part of what is compared. */
  expect(emitter) {
    this.expected.add(emitter)
    emitter.on('close', () => this.expected.delete(emitter))
  }

  create(path, options) {
    const stream = this.lib.createReadStream(path, options)
    this.streams.push(stream)
    return stream
  }

  /** Records events in the order of all emitters; those of `names` only. */
  record(emitter, label, names) {
    for (const name of names) emitter.on(name, () => this.events.push(`${label} ${name}`))
    return emitter
  }

  /** The kernel may have moved bytes although the last method was a read. */
  note(stream) {
    const { method, bytesSent } = stream.transfer ?? {}
    if (method === 'sendfile' && bytesSent > 0) this.kernelWas = true
  }

  source(stream, events = ['open', 'ready', 'end', 'error', 'close']) {
    return this.record(stream, 'src', events)
  }

  response(res) {
    return this.record(res, 'res', ['pipe', 'unpipe', 'prefinish', 'finish', 'error', 'close'])
  }

  later(cleanup) {
    this.cleanups.push(cleanup)
  }

  /** Listens on a free port, or on a path. */
  async listen(server, on = { port: 0, host: '127.0.0.1' }) {
    server.on('connection', (socket) => this.later(() => socket.destroy()))
    server.listen(on)
    await once(server, 'listening')
    this.later(() => {
      server.close()
      server.closeAllConnections?.()
    })
    return server.address().port ?? on.path
  }

  serve(handler, options = {}) {
    const server = http.createServer(options, (req, res) => {
      this.expect(res)
      return handler(req, res)
    })
    server.on('clientError', (error, socket) => socket.destroy())
    return this.listen(server).then((port) => Object.assign(server, { at: port }))
  }

  /** A raw connection that keeps all received bytes. */
  async connect(at) {
    const socket = net.connect(typeof at === 'number' ? { port: at, host: '127.0.0.1' } : { path: at })
    this.later(() => socket.destroy())
    const client = { socket, chunks: [], ended: false, failed: undefined, length: 0 }
    socket.on('data', (chunk) => {
      client.chunks.push(chunk)
      client.length += chunk.length
    })
    socket.on('end', () => (client.ended = true))
    socket.on('error', (error) => (client.failed = error.code))
    client.closed = new Promise((resolve) => {
      socket.on('close', resolve)
    })
    client.bytes = () => Buffer.concat(client.chunks)
    client.has = async (length) => {
      while (client.length < length && !socket.destroyed && !client.ended) {
        await within(Promise.race([once(socket, 'data'), client.closed]), `byte ${length} of ${client.length}`)
      }
    }
    await once(socket, 'connect')
    return client
  }

  /**
   * Sends requests on one connection, all at once, and reads the responses until the last one or the end of the
   * connection.
   */
  async exchange(at, requests, { keep = false } = {}) {
    const client = await this.connect(at)
    const { answers, done } = readAnswers(
      client.socket,
      requests.map(({ method = 'GET' }) => method),
    )
    client.socket.write(requests.map(asText).join(''))
    await within(done, 'the answers')
    await this.quiet()
    if (!keep) client.socket.destroy()
    return Object.assign(answers, { client })
  }

  async get(at, path = '/', request = {}) {
    const [answer] = await this.exchange(at, [{ path, ...request }])
    return answer
  }

  async finish() {
    for (const cleanup of this.cleanups.toReversed()) await cleanup()
    for (const stream of this.streams) stream.destroy() // closes its fd, also without autoClose
    await this.quiet() // its 'close' comes after that
  }
}

function asText({ method = 'GET', path = '/', version = '1.1', headers = {} }) {
  const fields = Object.entries({ host: 'localhost', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${method} ${path} HTTP/${version}\r\n${fields.join('')}\r\n`
}

/** Responses as they were on the wire, by RFC 9112: status line, headers, digest of the body and framing. */
export function readAnswers(socket, methods) {
  const answers = []
  let input = Buffer.alloc(0)
  let settle
  const done = new Promise((resolve) => {
    settle = resolve
  })
  const parse = (ended) => {
    while (answers.length < methods.length) {
      const parsed = parseAnswer(input, methods[answers.length], ended)
      if (parsed === undefined) break
      answers.push(parsed.answer)
      input = input.subarray(parsed.used)
    }
    if (answers.length === methods.length || ended) settle()
  }
  // Parsing again with every packet would be quadratic: parse only when the known length has arrived.
  let pending = []
  let size = 0
  socket.on('data', (chunk) => {
    pending.push(chunk)
    size += chunk.length
    if (size < MIB && chunk.length > 60_000) return
    flush(false)
  })
  const flush = (ended) => {
    input = Buffer.concat([input, ...pending])
    pending = []
    size = 0
    parse(ended)
  }
  const timer = setInterval(() => size > 0 && flush(false), 5)
  const over = () => {
    clearInterval(timer)
    flush(true)
  }
  socket.on('end', over)
  socket.on('close', over)
  done.then(() => clearInterval(timer))
  return { answers, done }
}

function parseAnswer(input, method, ended) {
  const headEnd = input.indexOf('\r\n\r\n')
  if (headEnd === -1) return undefined
  const head = input.toString('latin1', 0, headEnd).replace(/^date: .*$/im, 'date: then')
  const start = headEnd + 4
  const bodyless = method === 'HEAD' || /^HTTP\/1\.. (204|304)/.test(head)
  const length = /^content-length: (\d+)/im.exec(head)?.[1]
  if (bodyless) return { answer: answerOf(head, 'none', Buffer.alloc(0)), used: start }
  if (/^transfer-encoding: chunked/im.test(head)) return parseChunked(input, head, start, ended)
  if (length === undefined) {
    return ended ? { answer: answerOf(head, 'close', input.subarray(start)), used: input.length } : undefined
  }
  const end = start + Number(length)
  if (input.length >= end) return { answer: answerOf(head, 'length', input.subarray(start, end)), used: end }
  return ended ? { answer: cutOf(head, 'length', input.subarray(start)), used: input.length } : undefined
}

function parseChunked(input, head, start, ended) {
  const parts = []
  const cut = (at) =>
    ended
      ? { answer: cutOf(head, 'chunked', Buffer.concat([...parts, input.subarray(at)])), used: input.length }
      : undefined
  for (let at = start; ;) {
    const line = input.indexOf('\r\n', at)
    if (line === -1) return cut(at)
    const size = Number.parseInt(input.toString('latin1', at, line), 16)
    if (size === 0) {
      const end = input.indexOf('\r\n\r\n', line)
      if (end === -1) return cut(input.length)
      const answer = answerOf(head, 'chunked', Buffer.concat(parts))
      return { answer: Object.assign(answer, { trailers: input.toString('latin1', line + 2, end) }), used: end + 4 }
    }
    if (input.length < line + 2 + size + 2) return cut(line + 2)
    parts.push(input.subarray(line + 2, line + 2 + size))
    at = line + 2 + size + 2
  }
}

/** `bytes` does not take part in the comparison. */
const answerOf = (head, framing, body) => hide({ head, framing, length: body.length, sha256: sha256(body) }, body)
/** The number of bytes before an interruption varies; the scenario checks that they are a prefix. */
const cutOf = (head, framing, body) => hide({ head, framing, cut: true }, body)
const hide = (answer, bytes) => Object.defineProperty(answer, 'bytes', { value: bytes, enumerable: false })
