// The destinations of the contract: every kind, each with a reader at its other end.
import { spawn } from 'node:child_process'
import http from 'node:http'
import { once } from 'node:events'
import { Writable } from 'node:stream'

import { collect, type Collected } from '../fixtures/collect.ts'
import { sampleDirectory } from '../fixtures/sample-file.ts'
import { type SocketPair, tcpPair, tlsPair, unixPair } from '../fixtures/socket-pair.ts'

/** Operations of the tests on a destination. */
export interface Target {
  write(chunk: Uint8Array): unknown
  end(): unknown
}

/** A destination that is ready to be sent to. */
export interface Connection {
  /** The argument of `sendfile`. */
  readonly destination: unknown
  readonly target: Target
  /** The bytes that arrive at the other end, or the body of a message; resolves at its end. */
  received(): Promise<Collected>
  /** Whether `end` has been called. */
  isEnded(): boolean
  close(): Promise<void>
}

export interface Wish {
  /** The bytes of the body, for those that announce it. */
  readonly length: number
  /** The other end reads slowly. */
  readonly slow?: boolean
}

export interface Kind {
  readonly name: string
  readonly family: 'socket' | 'pipe' | 'file' | 'device'
  /** Why the kernel cannot send to it; `undefined` if it can. */
  readonly obstacle?: 'TLS' | 'FOREIGN'
  /** An http message announces its body before it sends it. */
  readonly isMessage?: boolean
  /** A number or FileHandle: other writers keep their own order. */
  readonly isDescriptor?: boolean
  /** The number belongs to other code and must not be closed. */
  readonly isBorrowed?: boolean
  /** A file open for appending. */
  readonly appends?: boolean
  /** The descriptor is in blocking mode. */
  readonly blocking?: boolean
  /** JavaScript cannot write to it. */
  readonly needsAddon?: boolean
  /** Why this kind is missing on this machine. */
  readonly missing?: string | undefined
  connect(wish: Wish): Promise<Connection>
}

const unixSocket: Kind = {
  name: 'unix socket',
  family: 'socket',
  connect: async (wish) => overSocket(await unixPair(sampleDirectory()), wish),
}

export const socketKinds: Kind[] = [
  { name: 'TCP socket', family: 'socket', connect: async (wish) => overSocket(await tcpPair(), wish) },
  {
    name: 'TCP socket that is connecting',
    family: 'socket',
    connect: async (wish) => overSocket(await tcpPair({ connected: false }), wish),
  },
  // Windows has named pipes instead
  ...(process.platform === 'win32' ? [] : [unixSocket]),
  { name: 'TLS socket', family: 'socket', obstacle: 'TLS', connect: async (wish) => overSocket(await tlsPair(), wish) },
  { name: 'stdin of a child', family: 'socket', connect: async (wish) => intoChild(wish) },
]

function intoChild({ slow }: Wish): Connection {
  const child = spawn('cat', { stdio: ['pipe', 'pipe', 'inherit'] })
  const arriving = collect(child.stdout, slow)
  const exited = once(child, 'close')
  const close = async (): Promise<void> => {
    child.stdin.destroy()
    child.kill('SIGKILL')
    await exited
  }
  const { stdin } = child
  return { destination: stdin, target: stdin, received: () => arriving, isEnded: () => stdin.writableEnded, close }
}

function overSocket({ near, far, close }: SocketPair, { slow }: Wish): Connection {
  const received = far.then((peer) => collect(peer, slow))
  return { destination: near, target: near, received: () => received, isEnded: () => near.writableEnded, close }
}

export const messageKinds: Kind[] = [
  {
    name: 'response with Content-Length',
    family: 'socket',
    isMessage: true,
    connect: (wish) => overResponse(wish, { 'content-length': wish.length }),
  },
  { name: 'chunked response', family: 'socket', isMessage: true, connect: (wish) => overResponse(wish, {}) },
  { name: 'request', family: 'socket', isMessage: true, connect: overRequest },
]

async function overResponse({ slow }: Wish, headers: http.OutgoingHttpHeaders): Promise<Connection> {
  const server = http.createServer()
  const request = http.get({ port: await listen(server), host: '127.0.0.1', agent: false })
  const received = answerTo(request, slow)
  const response = await new Promise<http.ServerResponse>((resolve) => {
    server.once('request', (_, found) => resolve(found))
  })
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value ?? '')
  const close = (): Promise<void> => closeServer(server, request)
  return {
    destination: response,
    target: response,
    received: () => received,
    isEnded: () => response.writableEnded,
    close,
  }
}

/** Never rejects: a connection that ends before the head of the answer resolves with nothing. */
function answerTo(request: http.ClientRequest, slow: boolean | undefined): Promise<Collected> {
  return new Promise((resolve) => {
    request.on('response', (answer) => resolve(collect(answer, slow)))
    request.on('error', () => resolve({ bytes: Buffer.alloc(0), ended: false }))
  })
}

async function overRequest({ slow }: Wish): Promise<Connection> {
  const server = http.createServer()
  const port = await listen(server)
  const request = http.request({ port, host: '127.0.0.1', agent: false, method: 'PUT' })
  // A request whose connection ends before the response emits 'error', as without this package.
  request.on('error', () => {})
  const received = requestTo(server, slow)
  const close = (): Promise<void> => closeServer(server, request)
  return {
    destination: request,
    target: request,
    received: () => received,
    isEnded: () => request.writableEnded,
    close,
  }
}

/** Never rejects: a connection that ends before the head of the request resolves with nothing. */
function requestTo(server: http.Server, slow: boolean | undefined): Promise<Collected> {
  return new Promise((resolve) => {
    server.once('connection', (socket) => socket.once('close', () => resolve({ bytes: Buffer.alloc(0), ended: false })))
    server.once('request', (incoming, response) => {
      const body = collect(incoming, slow)
      void body.then(() => response.end())
      resolve(body)
    })
  })
}

async function listen(server: http.Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return address.port
}

async function closeServer(server: http.Server, request: http.ClientRequest): Promise<void> {
  request.destroy()
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
}

export const writableKinds: Kind[] = [
  { name: 'Writable', family: 'socket', obstacle: 'FOREIGN', connect: async (wish) => intoWritable(wish) },
  {
    name: 'object with write, end and on',
    family: 'socket',
    obstacle: 'FOREIGN',
    connect: async (wish) => intoObject(wish),
  },
]

function intoWritable({ slow }: Wish): Connection {
  const chunks: Buffer[] = []
  const target = new Writable({
    highWaterMark: 64,
    write(chunk: Buffer, _encoding, callback) {
      chunks.push(chunk)
      if (slow === true) setImmediate(callback)
      else callback()
    },
  })
  const received = once(target, 'finish').then(() => ({ bytes: Buffer.concat(chunks), ended: true }))
  const close = async (): Promise<void> => void target.destroy()
  return { destination: target, target, received: () => received, isEnded: () => target.writableEnded, close }
}

function intoObject({ slow }: Wish): Connection {
  const chunks: Buffer[] = []
  const waiting: (() => void)[] = []
  let ended = false
  let finish = (): void => {}
  const received = new Promise<Collected>((resolve) => {
    finish = () => resolve({ bytes: Buffer.concat(chunks), ended: true })
  })
  const target = {
    write(chunk: Uint8Array): boolean {
      chunks.push(Buffer.from(chunk))
      if (slow === true) setImmediate(() => waiting.forEach((drained) => drained()))
      return slow !== true
    },
    end(): void {
      ended = true
      finish()
    },
    on(event: string, listener: () => void): void {
      if (event === 'drain') waiting.push(listener)
    },
  }
  return { destination: target, target, received: () => received, isEnded: () => ended, close: async () => {} }
}
