import { once } from 'node:events'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import { constants } from 'node:os'
import { PassThrough, Writable } from 'node:stream'

import test, { type ExecutionContext } from 'ava'

import { sendfile, SendfileError, type SendfileOptions } from '../../index.ts'
import { ERROR_CODES } from '../../lib/errors/sendfile-error.ts'
import { IN_KERNEL } from '../fixtures/executor.ts'
import { call } from '../fixtures/bad-call.ts'
import { countDescriptors, descriptorsOf, descriptorsSettleAt, restingDescriptors } from '../fixtures/descriptors.ts'
import { sampleDirectory, sampleFile } from '../fixtures/sample-file.ts'
import { listen } from '../fixtures/servers.ts'
import { type SocketPair, tcpPair, tlsPair, unixPair } from '../fixtures/socket-pair.ts'
import { warmEngine } from '../fixtures/warm-engine.ts'
import { until, within } from '../fixtures/within.ts'

/** More than the buffers of a connection on loopback hold: a peer that does not read stops it. */
const SIZE = 16 * 2 ** 20
const file = sampleFile(SIZE)
/** Forced sendfile is refused where JavaScript copies. */
const METHODS = IN_KERNEL ? (['auto', 'sendfile', 'copy'] as const) : (['auto', 'copy'] as const)

test.before(warmEngine)

test('every code of the package is documented', (t) => {
  const root = new URL('../../', import.meta.url)
  const folder = new URL('docs/', root)
  const pages = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.md')) : []
  const paths = [new URL('README.md', root), ...pages.map((name) => new URL(name, folder))].filter(existsSync)
  const text = paths.map((path) => readFileSync(path, 'utf8')).join('\n')
  const codes = Object.keys(ERROR_CODES)
  t.true(codes.length >= 6)
  t.deepEqual(
    codes.filter((code) => !text.includes(`\`${code}\``)),
    [],
  )
})

test('every code of the package has a message', (t) => {
  for (const [code, meaning] of Object.entries(ERROR_CODES)) {
    t.regex(code, /^(?:ERR_SENDFILE_[A-Z]+|ABORT_ERR)$/)
    t.regex(meaning, /^[A-Z].{10,}[a-z]$/)
  }
})

/** Errors whose figures cannot be read: their getters are code of the caller. */
const UNREADABLE: Record<string, () => Error> = Object.fromEntries(
  ['code', 'errno', 'syscall'].map((name) => [
    name,
    () =>
      Object.defineProperty(Object.assign(new Error('of the destination'), { [name]: undefined }), name, {
        get() {
          throw new Error(`the getter of ${name}`)
        },
      }),
  ]),
)

for (const [name, make] of Object.entries(UNREADABLE)) {
  test.serial(`an error whose ${name} cannot be read ends the transfer and leaves nothing open`, async (t) => {
    const before = descriptorsOf(file.path)
    const { near, close } = await tcpPair()
    t.teardown(close)
    near.on('error', () => {})
    const toSocket = sendfile(near, file.path, { rate: 1000, burst: 1 })
    near.destroy(make())
    const failing = new Writable({ write: (_chunk, _encoding, callback) => callback(make()) }).on('error', () => {})
    const throwing = {
      write() {
        throw make()
      },
      end() {},
      on() {},
    }
    for (const sending of [toSocket, sendfile(failing, file.path), sendfile(throwing, file.path)])
      await t.throwsAsync(within(sending, 'the rejection'))
    await until(() => descriptorsOf(file.path) === before, 'the files are closed')
  })
}

test('a SendfileError is an Error with its own name, code and stack', async (t) => {
  const sending = call(new Writable().destroy(), file.path)
  const error = await t.throwsAsync(sending, { instanceOf: SendfileError })
  t.true(error instanceof Error)
  t.like(error, { name: 'SendfileError', code: 'ERR_SENDFILE_DESTINATION', bytesSent: 0, offset: 0 })
  t.regex(error?.stack ?? '', /^SendfileError: The destination is destroyed/)
  t.deepEqual(
    ['errno', 'syscall', 'path', 'cause'].filter((name) => Object.hasOwn(error ?? {}, name)),
    [],
    'what is not known is not there',
  )
})

/** Checks the error of the kernel for a closed peer. */
function checkGone(t: ExecutionContext, error: SendfileError | undefined, offset: number): void {
  const code = error?.code === 'EPIPE' ? 'EPIPE' : 'ECONNRESET'
  t.like(error, { name: 'SendfileError', code, errno: -constants.errno[code] })
  t.true(['sendfile', 'write', 'read'].includes(String(error?.syscall)), `syscall: ${error?.syscall}`)
  const { bytesSent = -1 } = error ?? {}
  t.is(typeof bytesSent, 'number')
  t.true(bytesSent > 0 && bytesSent < SIZE, `${bytesSent} bytes`)
  t.is(error?.offset, offset + Number(bytesSent))
}

const pairs: Record<string, () => Promise<SocketPair>> = {
  'a TCP': tcpPair,
  'a unix': () => unixPair(sampleDirectory()),
  'a TLS': tlsPair,
}
const departures: Record<string, (far: net.Socket) => void> = {
  'destroys the connection': (far) => void far.destroy(),
  'resets the connection': (far) => void far.resetAndDestroy(),
}

for (const [kind, connect] of Object.entries(pairs)) {
  for (const [departure, leave] of Object.entries(departures)) {
    // Only TCP has a reset.
    if (kind !== 'a TCP' && departure !== 'destroys the connection') continue
    for (const method of METHODS) {
      if (kind === 'a TLS' && method === 'sendfile') continue
      test.serial(
        `${kind} peer that ${departure}, ${method}: rejects with the error of the kernel, without an uncaught 'error'`,
        async (t) => {
          await peerLeaves(t, connect, leave, { method, offset: 1000 })
        },
      )
    }
  }
}

/** The test does not listen for 'error': an error that the package does not handle ends the process. */
async function peerLeaves(
  t: ExecutionContext,
  connect: () => Promise<SocketPair>,
  leave: (far: net.Socket) => void,
  options: SendfileOptions,
): Promise<void> {
  const before = await restingDescriptors()
  const { near, far, close } = await connect()
  t.teardown(close)
  const peer = await far
  const sending = sendfile(near, file.path, options)
  // Some bytes have arrived, and the rest is never read.
  await once(peer, 'readable')
  leave(peer)
  const error = await t.throwsAsync(within(sending, 'the rejection'), { instanceOf: SendfileError })
  checkGone(t, error, 1000)
  if (!near.closed) await within(once(near, 'close'), 'the end of the socket')
  t.is(near.listenerCount('error'), 0)
  await close()
  t.is(await descriptorsSettleAt(before), before)
}

test.serial(
  "a client that disconnects rejects the transfer to its response, without an uncaught 'error'",
  async (t) => {
    const server = http.createServer()
    const asked = once(server, 'request')
    const port = await listen(t, server)
    const client = http.get({ port, host: '127.0.0.1', agent: false }).on('error', () => {})
    const [, response] = await asked
    const sending = sendfile(response, file.path, { end: true })
    const [answer] = await once(client, 'response')
    client.destroy()
    answer.destroy()
    const error = await t.throwsAsync(within(sending, 'the rejection'), { instanceOf: SendfileError })
    // Where JavaScript copies, http reports that the response is closed, but not why.
    if (IN_KERNEL) checkGone(t, error, 0)
    else t.like(error, { code: 'ERR_SENDFILE_DESTINATION' })
    if (!response.closed) await within(once(response, 'close'), 'the end of the response')
    t.true(response.destroyed)
  },
)

test.serial('a server that disconnects rejects the upload', async (t) => {
  const server = http.createServer((request) => request.once('readable', () => request.socket.resetAndDestroy()))
  const port = await listen(t, server)
  const request = http.request({ port, host: '127.0.0.1', method: 'PUT', agent: false })
  const hungUp = once(request, 'close').catch((error: unknown) => error)
  const error = await t.throwsAsync(within(sendfile(request, file.path), 'the rejection'), {
    instanceOf: SendfileError,
  })
  t.true(['ECONNRESET', 'EPIPE'].includes(error?.code ?? ''), error?.code)
  t.true(Number(error?.bytesSent) > 0 && Number(error?.bytesSent) < SIZE)
  await within(hungUp, 'the end of the request')
})

test.serial('a refused connection rejects with the error of connect(2), and no byte is sent', async (t) => {
  const path = `${sampleDirectory()}/nobody.sock`
  const socket = net.connect(path)
  const error = await t.throwsAsync(within(sendfile(socket, file.path), 'the rejection'), { instanceOf: SendfileError })
  t.like(error, { code: 'ENOENT', errno: -constants.errno.ENOENT, syscall: 'connect', bytesSent: 0, offset: 0 })
})

test.serial('a socket destroyed with an error rejects with the message of that error', async (t) => {
  const { near, far, close } = await tcpPair()
  t.teardown(close)
  const sending = sendfile(near, file.path)
  await once(await far, 'readable')
  near.destroy(new Error('that is enough'))
  const error = await t.throwsAsync(within(sending, 'the rejection'), { instanceOf: SendfileError })
  t.like(error, { code: 'ERR_SENDFILE_DESTINATION', message: 'that is enough' })
  t.is(error?.offset, error?.bytesSent)
})

test.serial('a Writable that fails rejects with the bytes that it accepted, without an uncaught error', async (t) => {
  const before = countDescriptors()
  let taken = 0
  const failing = new Writable({
    highWaterMark: 1,
    write(chunk: Buffer, _encoding, callback) {
      taken += chunk.length
      callback(taken > 500_000 ? new Error('no more room') : null)
    },
  })
  const error = await t.throwsAsync(within(sendfile(failing, file.path), 'the rejection'), {
    instanceOf: SendfileError,
  })
  t.like(error, { code: 'ERR_SENDFILE_DESTINATION', message: 'no more room' })
  t.is(error?.bytesSent, taken)
  t.is(failing.listenerCount('error'), 0)
  t.is(await descriptorsSettleAt(before), before)
})

test.serial('an object whose write throws rejects with the bytes that it accepted before', async (t) => {
  let taken = 0
  const target = {
    write(chunk: Uint8Array): boolean {
      if (taken > 200_000) throw new RangeError('full')
      taken += chunk.length
      return true
    },
    end(): void {},
    on(): void {},
  }
  const error = await t.throwsAsync(within(call(target, file.path), 'the rejection'), { instanceOf: SendfileError })
  t.like(error, { code: 'ERR_SENDFILE_DESTINATION', message: 'full', bytesSent: taken, offset: taken })
})

test.serial('an aborted transfer rejects with an AbortError whose cause is the reason', async (t) => {
  const reason = new Error('changed my mind')
  for (const destination of [new PassThrough(), (await pairFor(t)).near]) {
    const controller = new AbortController()
    const sending = sendfile(destination, file.path, { signal: controller.signal, bigint: true, offset: 5 })
    setImmediate(() => controller.abort(reason))
    const error = await t.throwsAsync(within(sending, 'the rejection'), { instanceOf: SendfileError })
    t.like(error, { name: 'AbortError', code: 'ABORT_ERR', message: 'The operation was aborted', cause: reason })
    t.is(error?.offset, 5n + BigInt(error?.bytesSent ?? 0))
    t.is(typeof error?.bytesSent, 'bigint')
  }
})

async function pairFor(t: ExecutionContext): Promise<SocketPair> {
  const pair = await tcpPair()
  t.teardown(pair.close)
  return pair
}
