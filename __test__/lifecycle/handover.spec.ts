// Code that takes a socket over bypasses its queue: it waits for running transfers, or is refused until they end.
import { fork } from 'node:child_process'
import http2 from 'node:http2'
import type net from 'node:net'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import tls from 'node:tls'
import test, { type ExecutionContext } from 'ava'

import { sendfile } from '../../index.ts'
import { cert, key } from '../fixtures/certificate.ts'
import { connectedPair } from '../fixtures/connected-pair.ts'
import { kernelSerial } from '../fixtures/executor.ts'
import { sampleBytes, sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { stalled } from '../fixtures/stalled.ts'
import { warmEngine } from '../fixtures/warm-engine.ts'
import { within } from '../fixtures/within.ts'

const file = sampleFile(16 << 20)
const trust = { ca: cert, servername: 'localhost', rejectUnauthorized: false }
const taker = fileURLToPath(new URL('../fixtures/children/taker.mjs', import.meta.url))

interface Taker {
  readonly name: string
  /** Whether it can wait for the transfer; if not, it is refused. */
  readonly waits: boolean
  /** Begins to take over the server's end. */
  take(t: ExecutionContext, near: net.Socket): unknown
  /** Continues from there, and returns the bytes that the client received through it. */
  use(t: ExecutionContext, taken: unknown, far: net.Socket): Promise<string>
}

const GREETING = 'after the hand-over'

const TAKERS: readonly Taker[] = [
  {
    name: 'new tls.TLSSocket(socket)',
    waits: true,
    take: (_, near) => new tls.TLSSocket(near, { isServer: true, key, cert }),
    async use(_, taken, far) {
      if (taken instanceof tls.TLSSocket) taken.end(GREETING)
      return text(tls.connect({ socket: far, ...trust }))
    },
  },
  {
    name: 'tls.connect({ socket })',
    waits: true,
    take: (_, near) => tls.connect({ socket: near, ...trust }),
    async use(_, taken, far) {
      const server = new tls.TLSSocket(far, { isServer: true, key, cert })
      if (taken instanceof tls.TLSSocket) taken.end(GREETING)
      return text(server)
    },
  },
  {
    name: 'http2.connect() over the socket',
    waits: true,
    take: (_, near) => http2.connect('http://localhost', { createConnection: () => near }),
    async use(t, taken, far) {
      const server = http2.createServer((_request, response) => response.end(GREETING))
      t.teardown(() => server.close())
      server.emit('connection', far)
      const session = taken
      if (!isSession(session)) return 'no session'
      const stream = session.request({ ':path': '/' })
      const answer = await text(stream)
      session.destroy()
      return answer
    },
  },
  {
    name: 'child.send(message, socket)',
    waits: false,
    take(t, near) {
      const child = fork(taker, { execArgv: [] })
      t.teardown(() => child.kill('SIGKILL'))
      child.send('take it', near)
      return child
    },
    use: async (_, _taken, far) => text(far),
  },
]

function isSession(value: unknown): value is http2.ClientHttp2Session {
  return typeof value === 'object' && value !== null && 'request' in value
}

test.before(warmEngine)

for (const { name, waits, take, use } of TAKERS) {
  for (const moment of ['runs', 'is queued', 'has just been queued'] as const) {
    // Copied chunks are ordinary writes of the stream: nothing guards the handle between two of them.
    kernelSerial(`${name} while a transfer ${moment}`, async (t) => {
      const { near, far } = await connectedPair(t, { reading: false })
      far.removeAllListeners('data') // others read here
      const head = sampleBytes(moment === 'runs' ? 16 : 8 << 20, 2)
      near.write(head)
      const transfer = sendfile(near, file.path)
      if (moment !== 'has just been queued') await stalled(near)
      let taken: unknown
      if (waits) taken = take(t, near)
      else t.throws(() => take(t, near), { code: 'ERR_SENDFILE_BUSY' })

      const body = await within(exactly(far, head.length + file.bytes.length), 'the file')
      t.is(sha256(body), sha256(head, file.bytes))
      t.is((await within(transfer, 'the transfer')).bytesSent, file.bytes.length)
      taken ??= take(t, near)
      t.is(
        await within(use(t, taken, far), 'the hand-over'),
        name.startsWith('child') ? 'from another process' : GREETING,
      )
    })
  }
}

/** The next bytes of a paused socket; later bytes are left for others. */
function exactly(socket: net.Socket, size: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let left = size
  return new Promise((resolve) => {
    socket.on('data', function take(chunk: Buffer) {
      chunks.push(chunk.subarray(0, left))
      left -= Math.min(left, chunk.length)
      if (left > 0) return
      const beyond = chunk.length - chunks.at(-1)!.length
      socket.off('data', take).pause()
      if (beyond > 0) socket.unshift(chunk.subarray(-beyond))
      resolve(Buffer.concat(chunks))
    })
    socket.resume()
  })
}
