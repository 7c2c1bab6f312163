// A method of a message or of its socket is replaced while the message is queued for its socket: the replacement sees
// every real byte, or none.
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import type { ExecutionContext } from 'ava'

import { createReadStream, sendfile } from '../../index.ts'
import { kernelSerial, METHOD } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { recordedAll, Recorder } from '../fixtures/recorder.ts'
import { serve } from '../fixtures/servers.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { receiveUploads } from '../fixtures/uploads.ts'
import { within } from '../fixtures/within.ts'

const file = sampleFile((3 << 20) + 17)
const other = sampleFile((1 << 20) + 5, 2)
const TEXT = 'behind the file'

const OF_SOCKET = ['the socket', 'net.Socket.prototype'] as const
const MESSAGE_METHODS = ['write', 'end', '_send', '_writeRaw', '_flush', '_flushOutput', 'cork', 'emit'] as const

/** Pipelined: the second response waits for the connection. `patch` is called while it does. */
async function pipelined(
  t: ExecutionContext,
  how: 'sendfile' | 'stream',
  patch: (response: http.ServerResponse) => () => void,
): Promise<{ body: Buffer; rest: Buffer; transfer: { method: string; codes: string[] } }> {
  let first: http.ServerResponse | undefined
  let transfer = { method: '', codes: [''] }
  const { connect, answered } = await serve(t, async (request, response) => {
    if (request.url === '/first') {
      first = response
      return
    }
    response.setHeader('content-length', file.bytes.length)
    if (request.url === '/third') return void response.end(file.bytes)
    const finished = once(response, 'finish')
    const stream = createReadStream(file.path, { segment: 1 << 20 })
    const sent = how === 'sendfile' ? sendfile(response, file.path, { end: true }) : undefined
    if (how === 'stream') stream.pipe(response)
    while (response.writableLength < 4096) await new Promise(setImmediate)
    t.is(response.socket, null)
    const restore = patch(response)
    t.teardown(restore)
    first?.end('first')
    await finished
    const { method, fallbacks } = (await sent) ?? stream.transfer!
    transfer = { method, codes: fallbacks.map(({ code }) => code) }
    stream.destroy()
    restore()
  })
  const client = await connect()
  const answers = client.pipeline(['/first', '/second', '/third'])
  const [one, two, three] = await within(Promise.all(answers), 'the answers')
  await within(answered(), 'the handlers')
  t.is(one!.body.toString(), 'first')
  return { body: two!.body, rest: three!.body, transfer }
}

for (const how of ['sendfile', 'stream'] as const) {
  for (const place of OF_SOCKET) {
    for (const restored of [false, true]) {
      const then = restored ? ', and restored before its turn' : ''
      kernelSerial(`write of ${place}, replaced while a response waits for it, ${how}${then}`, async (t) => {
        const seen = new Recorder()
        const { body, rest, transfer } = await pipelined(t, how, ({ req }) => {
          const restore = seen.wrap(place === 'the socket' ? req.socket : net.Socket.prototype, 'write')
          if (restored) restore()
          return restore
        })
        t.is(sha256(body), sha256(file.bytes))
        t.is(sha256(rest), sha256(file.bytes))
        t.is(seen.placeholders, 0)
        if (restored) return t.is(transfer.method, METHOD)
        recordedAll(t, seen, file.bytes)
        if (METHOD === 'sendfile') t.true(transfer.codes.includes('WRAPPED'), transfer.codes.join())
      })
    }
  }

  for (const name of MESSAGE_METHODS) {
    for (const place of ['the message', 'http.OutgoingMessage.prototype'] as const) {
      kernelSerial(`${name} of ${place}, replaced while a response waits for its socket, ${how}`, async (t) => {
        const seen = new Recorder()
        const { body } = await pipelined(t, how, (response) =>
          seen.wrap(place === 'the message' ? response : http.OutgoingMessage.prototype, name),
        )
        t.is(sha256(body), sha256(file.bytes))
        t.is(seen.placeholders, 0)
      })
    }
  }
}

kernelSerial('write of a socket replaced while a chunked response with several files waits for it', async (t) => {
  const seen = new Recorder()
  let first: http.ServerResponse | undefined
  const { connect } = await serve(t, async (request, response) => {
    if (request.url === '/first') {
      first = response
      return
    }
    response.write('a')
    const sent = [sendfile(response, file.path), sendfile(response, other.path)]
    response.end(TEXT)
    while (response.writableLength < file.bytes.length + other.bytes.length) await new Promise(setImmediate)
    seen.wrap(request.socket, 'write')
    first?.end('first')
    await Promise.all(sent)
  })
  const client = await connect()
  const [, two] = await within(Promise.all(client.pipeline(['/first', '/second'])), 'the answers')
  t.is(sha256(two!.body), sha256(Buffer.from('a'), file.bytes, other.bytes, Buffer.from(TEXT)))
  t.is(seen.placeholders, 0)
  t.true(seen.bytes.includes(file.bytes))
  t.true(seen.bytes.includes(other.bytes))
})

for (const [name, place] of [
  ['write', 'instance'],
  ['write', 'prototype'],
  ['_write', 'instance'],
  ['_writev', 'instance'],
] as const) {
  kernelSerial(`${name} of the ${place} replaced by a 'socket' listener of a request`, async (t) => {
    const uploads = await receiveUploads(t)
    for (const reused of [false, true]) {
      const seen = new Recorder()
      const request = uploads.request(file.bytes.length)
      request.once('socket', (socket) => {
        const restore = seen.wrap(place === 'instance' ? socket : net.Socket.prototype, name)
        t.teardown(restore)
        request.once('finish', restore)
      })
      await uploads.answered(request, () => sendfile(request, file.path, { end: true }))
      t.is(request.reusedSocket, reused)
      t.is(sha256(uploads.bodies.at(-1)!), sha256(file.bytes))
      t.is(seen.placeholders, 0)
      if (name === 'write') recordedAll(t, seen, file.bytes)
      await new Promise(setImmediate)
    }
  })
}
