// A method is replaced while a marker is queued: the replacement sees every real byte, or none.
import { once } from 'node:events'
import net from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { ExecutionContext } from 'ava'

import { createReadStream, type Fallback, sendfile } from '../../index.ts'
import { connectedPair } from '../fixtures/connected-pair.ts'
import { kernelSerial, METHOD } from '../fixtures/executor.ts'
import { sampleBytes, sampleFile } from '../fixtures/sample-file.ts'
import { type Manner, recordedAll, recordedAllOrNone, Recorder } from '../fixtures/recorder.ts'
import { listen, serve } from '../fixtures/servers.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { stalled } from '../fixtures/stalled.ts'
import { within } from '../fixtures/within.ts'

const file = sampleFile((3 << 20) + 17)
const other = sampleFile((1 << 20) + 5, 2)
/** More than a connection holds while its client does not read. */
const junk = sampleBytes(12 << 20, 3)
const TEXT = 'behind the file'

const MANNERS: readonly Manner[] = ['assigned', 'defined']
const METHODS = [['_write'], ['_writev'], ['_write', '_writev']] as const

function codes({ fallbacks }: { readonly fallbacks: readonly Fallback[] }): string[] {
  return fallbacks.map(({ code }) => code)
}

/** A file and a text that are queued on a socket behind a stalled write. */
async function queued(t: ExecutionContext) {
  const pair = await connectedPair(t, { reading: false })
  pair.near.write(junk)
  const sent = sendfile(pair.near, file.path)
  pair.near.write(TEXT)
  await stalled(pair.near)
  return { ...pair, sent }
}

/* ---------------------------------------------------------------- _write and _writev of a socket */

for (const manner of MANNERS) {
  for (const names of METHODS) {
    const title = `${names.join(' and ')} of a socket, ${manner}`

    for (const hooked of [false, true]) {
      const since = hooked ? 'with an earlier transfer' : 'without an earlier transfer'
      for (const behind of [false, true]) {
        kernelSerial(
          `${title} while a file waits behind a write, on a socket ${since}${behind ? ', with text behind it' : ''}`,
          async (t) => {
            const { near, far, received } = await connectedPair(t, { reading: false })
            const before = hooked ? other.bytes : Buffer.alloc(0)
            if (hooked) await sendfile(near, other.path, { count: 1000 })
            near.write(junk)
            const sent = sendfile(near, file.path)
            if (behind) near.write(TEXT)
            await stalled(near)
            const seen = new Recorder()
            for (const name of names) seen.wrap(near, name, manner)
            far.resume()
            const result = await within(sent, 'the transfer')
            near.end()
            await within(received.closed, 'the end of the connection')
            const text = behind ? Buffer.from(TEXT) : Buffer.alloc(0)
            t.is(sha256(received.bytes), sha256(before.subarray(0, 1000), junk, file.bytes, text))
            recordedAllOrNone(t, seen, file.bytes)
            // One chunk goes by `_write`, several go by `_writev`.
            if (names.some((name) => name === (behind ? '_writev' : '_write'))) {
              recordedAll(t, seen, file.bytes, text)
              if (METHOD === 'sendfile') t.deepEqual(codes(result), ['WRAPPED'])
            }
            t.is(near.bytesWritten, received.length)
          },
        )
      }
    }

    for (const how of ['sendfile', 'stream'] as const) {
      kernelSerial(`${title} of a response whose ${how} began in this tick`, async (t) => {
        const seen = new Recorder()
        const { connect } = await serve(t, async (_request, response) => {
          response.setHeader('content-length', file.bytes.length)
          const { socket } = response
          if (how === 'stream') createReadStream(file.path).pipe(response)
          const sent = how === 'sendfile' ? sendfile(response, file.path, { end: true }) : undefined
          if (how === 'stream') {
            // Until a marker waits in the queue of the corked socket.
            const { write } = response
            response.write = (...args: never[]): boolean => {
              const accepted = Reflect.apply(write, response, args)
              for (const name of names) seen.wrap(socket!, name, manner)
              response.write = write
              return Boolean(accepted)
            }
          } else for (const name of names) seen.wrap(socket!, name, manner)
          await once(response, 'finish')
          await sent
        })
        const client = await connect()
        const { body } = await within(client.request('/'), 'the answer')
        t.is(sha256(body), sha256(file.bytes))
        recordedAllOrNone(t, seen, file.bytes)
        if (how === 'sendfile' && names.some((name) => name === '_writev')) recordedAll(t, seen, file.bytes)
      })
    }

    kernelSerial(`${title} before it is connected`, async (t) => {
      let received: Promise<Buffer> | undefined
      const server = net.createServer((socket) => {
        received = buffer(socket)
        received.catch(() => {})
      })
      const port = await listen(t, server)
      const socket = net.connect(port, '127.0.0.1')
      t.teardown(() => void socket.destroy())
      socket.write('x')
      const sent = sendfile(socket, file.path)
      const seen = new Recorder()
      for (const name of names) seen.wrap(socket, name, manner)
      await within(sent, 'the transfer')
      const closed = once(socket, 'close')
      socket.end()
      await within(closed, "'close'")
      t.is(sha256(await received!), sha256(Buffer.from('x'), file.bytes))
      recordedAllOrNone(t, seen, file.bytes)
      if (names.some((name) => name === '_write')) recordedAll(t, seen, file.bytes)
    })
  }
}

kernelSerial(
  'a replacement of _write is restored after the file, and so is the original that it restores',
  async (t) => {
    const { near, far, received } = await connectedPair(t, { reading: false })
    near.write(junk)
    const sent = sendfile(near, file.path)
    await stalled(near)
    const seen = new Recorder()
    const restore = seen.wrap(near, '_write', 'defined')
    const { _write: wrapper } = near
    far.resume()
    await within(sent, 'the transfer')
    t.is(near._write, wrapper)
    restore()
    const { method } = await within(sendfile(near, other.path), 'the second transfer')
    t.is(method, METHOD)
    near.end()
    await within(received.closed, 'the end of the connection')
    t.is(sha256(received.bytes), sha256(junk, file.bytes, other.bytes))
    recordedAll(t, seen, file.bytes)
    t.false(seen.bytes.includes(other.bytes.subarray(0, 4096)))
  },
)

kernelSerial('a _write deleted from a socket while a file waits falls back to that of the class', async (t) => {
  const { near, far, received, sent } = await queued(t)
  for (const name of ['_write', '_writev']) Reflect.deleteProperty(near, name)
  far.resume()
  await within(sent, 'the transfer')
  const { method } = await within(sendfile(near, other.path), 'the second transfer')
  t.is(method, METHOD)
  near.end()
  await within(received.closed, 'the end of the connection')
  t.is(sha256(received.bytes), sha256(junk, file.bytes, Buffer.from(TEXT), other.bytes))
})

kernelSerial('a _writev set to null while a file waits leaves the order of bytes unchanged', async (t) => {
  const { near, far, received, sent } = await queued(t)
  Reflect.set(near, '_writev', null)
  far.resume()
  await within(sent, 'the transfer')
  near.end()
  await within(received.closed, 'the end of the connection')
  t.is(sha256(received.bytes), sha256(junk, file.bytes, Buffer.from(TEXT)))
})

kernelSerial('two nested wrappers installed while two files wait see every byte', async (t) => {
  const { near, far, received } = await connectedPair(t, { reading: false })
  near.write(junk)
  const sent = [sendfile(near, file.path), sendfile(near, other.path)]
  near.write(TEXT)
  await stalled(near)
  const [lower, upper] = [new Recorder(), new Recorder()]
  for (const seen of [lower, upper]) {
    t.true(near.writableLength > 0)
    seen.wrap(near, '_writev')
    seen.wrap(near, '_write', 'defined')
  }
  far.resume()
  await within(Promise.all(sent), 'the transfers')
  near.end()
  await within(received.closed, 'the end of the connection')
  t.is(sha256(received.bytes), sha256(junk, file.bytes, other.bytes, Buffer.from(TEXT)))
  for (const seen of [lower, upper]) recordedAll(t, seen, file.bytes, other.bytes, Buffer.from(TEXT))
})

/* ---------------------------------------------------------------- methods of the prototype */

for (const name of [
  '_write',
  '_writev',
  '_writeGeneric',
  'write',
  '_final',
  'end',
  'cork',
  'uncork',
  'destroy',
  'emit',
]) {
  for (const restored of [false, true]) {
    const then = restored ? ', and restored before its turn' : ''
    kernelSerial(`${name} of net.Socket.prototype, replaced while a file waits${then}`, async (t) => {
      const { near, far, received, sent } = await queued(t)
      const seen = new Recorder()
      const restore = seen.wrap(net.Socket.prototype, name)
      t.teardown(restore)
      if (restored) restore()
      far.resume()
      const { method } = await within(sent, 'the transfer')
      near.end()
      await within(received.closed, 'the end of the connection')
      restore()
      t.is(sha256(received.bytes), sha256(junk, file.bytes, Buffer.from(TEXT)))
      t.is(seen.placeholders, 0)
      if (restored) t.is(method, METHOD)
      else if (name.startsWith('_write')) t.true(seen.bytes.includes(file.bytes))
    })

    kernelSerial(`${name} of a socket, replaced while a file waits${then}`, async (t) => {
      const { near, far, received, sent } = await queued(t)
      const seen = new Recorder()
      const restore = seen.wrap(near, name)
      if (restored) restore()
      far.resume()
      const { method } = await within(sent, 'the transfer')
      near.end()
      await within(received.closed, 'the end of the connection')
      t.is(sha256(received.bytes), sha256(junk, file.bytes, Buffer.from(TEXT)))
      t.is(seen.placeholders, 0)
      if (restored) t.is(method, METHOD)
    })
  }
}

for (const how of ['sendfile', 'stream'] as const) {
  for (const manner of ['replaced by a function that bypasses the hook', 'deleted'] as const) {
    kernelSerial(`_destroy of a socket, ${manner} while the file is sent by ${how}: the transfer ends`, async (t) => {
      const { near, far } = await connectedPair(t, { reading: false })
      const large = sampleFile(48 << 20, 4)
      const stream = createReadStream(large.path)
      const over = how === 'stream' ? once(stream, 'transfer') : undefined
      const sent = how === 'sendfile' ? sendfile(near, large.path) : undefined
      if (how === 'stream') stream.pipe(near)
      await stalled(near)
      if (manner === 'deleted') Reflect.deleteProperty(near, '_destroy')
      else near._destroy = (...args) => net.Socket.prototype._destroy.apply(near, args)
      near.destroy()
      if (sent !== undefined) {
        await within(t.throwsAsync(sent, { code: 'ERR_SENDFILE_DESTINATION' }), 'the rejection')
      } else {
        await within(over!, 'the end of the transfer')
        t.true(stream.transfer!.bytesSent < large.bytes.length)
      }
      stream.destroy()
      far.destroy()
    })
  }
}
