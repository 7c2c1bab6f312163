// Two copies of the package in one program, each with its own addon, share their hook of a socket.
import { once } from 'node:events'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import { Writable } from 'node:stream'
import test, { type ExecutionContext } from 'ava'

import * as first from '../../index.ts'
import { connectedPair } from '../fixtures/connected-pair.ts'
import { fallbackCode, kernelTest, METHOD } from '../fixtures/executor.ts'
import { sampleBytes, sampleFile } from '../fixtures/sample-file.ts'
import { secondCopy } from '../fixtures/second-copy.ts'
import { serve } from '../fixtures/servers.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { receiveUploads } from '../fixtures/uploads.ts'
import { within } from '../fixtures/within.ts'

const second: typeof first = createRequire(import.meta.url)(secondCopy())
const older: typeof first = createRequire(import.meta.url)(secondCopy(0))
const file = sampleFile(3 << 20)
const other = sampleFile(2 << 20, 2)
const junk = sampleBytes(5 << 20, 3)
const IN_ORDER = sha256(
  junk,
  file.bytes,
  other.bytes,
  Buffer.from('between'),
  other.bytes,
  file.bytes,
  Buffer.from('end'),
)

/** Transfers of two copies to one socket, with text between them: every byte arrives in order. */
async function sendInTurn(t: ExecutionContext, one: typeof first, two: typeof first): Promise<first.SendfileResult[]> {
  const { near, received } = await connectedPair(t)
  near.write(junk)
  const transfers = [one.sendfile(near, file.path), two.sendfile(near, other.path)]
  near.write('between')
  transfers.push(two.sendfile(near, other.path), one.sendfile(near, file.path))
  near.end('end')
  const results = await within(Promise.all(transfers), 'the transfers')
  await within(received.closed, 'the end of the connection')
  t.is(sha256(received.bytes), IN_ORDER)
  t.is(near.bytesWritten, received.length)
  return results
}

test('the two copies are different modules', (t) => {
  t.not(first.sendfile, second.sendfile)
  t.is(second.support().binding, first.support().binding)
})

test('transfers of both copies to one socket keep their order and use the kernel', async (t) => {
  const results = await sendInTurn(t, first, second)
  t.deepEqual(
    results.map(({ method, bytesSent }) => [method, bytesSent]),
    [file, other, other, file].map(({ bytes }) => [METHOD, bytes.length]),
  )
})

test('transfers of both copies to one response keep their order and use the kernel', async (t) => {
  const { connect } = await serve(t, async (_, response) => {
    response.write(junk)
    const transfers = [first.sendfile(response, file.path), second.sendfile(response, other.path)]
    response.write('between')
    transfers.push(second.sendfile(response, other.path), first.sendfile(response, file.path))
    response.end('end')
    for (const { method } of await Promise.all(transfers)) t.is(method, METHOD)
  })
  const client = await connect()
  for (let round = 0; round < 2; round += 1) {
    const { body } = await within(client.request('/'), 'the answer')
    t.is(sha256(body), IN_ORDER)
  }
})

test('transfers of both copies to one Writable keep their order', async (t) => {
  const chunks: Buffer[] = []
  const sink = new Writable({
    write(chunk: Buffer, _encoding, callback) {
      chunks.push(chunk)
      setImmediate(callback)
    },
  })
  sink.write(junk)
  const transfers = [first.sendfile(sink, file.path), second.sendfile(sink, other.path)]
  sink.write('between')
  transfers.push(second.sendfile(sink, other.path), first.sendfile(sink, file.path))
  const finished = once(sink, 'finish')
  sink.end('end')
  await within(Promise.all(transfers), 'the transfers')
  await within(finished, 'the end')
  t.is(sha256(...chunks), IN_ORDER)
})

test.serial('a transfer of one copy waits while the other opens its file', async (t) => {
  const { near, received } = await connectedPair(t)
  const { open } = fs
  let goOn = (): void => {}
  const waits = new Promise<void>((resolve) => {
    goOn = resolve
  })
  Reflect.set(fs, 'open', (...args: unknown[]) => {
    void waits.then(() => Reflect.apply(open, fs, args))
  })
  t.teardown(() => void Reflect.set(fs, 'open', open))
  const opening = first.sendfile(near, file.path)
  Reflect.set(fs, 'open', open)
  const fd = fs.openSync(other.path, 'r')
  t.teardown(() => fs.closeSync(fd))
  const ready = second.sendfile(near, fd)
  near.end('end')
  goOn()
  await within(Promise.all([opening, ready]), 'the transfers')
  await within(received.closed, 'the end of the connection')
  t.is(sha256(received.bytes), sha256(file.bytes, other.bytes, Buffer.from('end')))
})

/* ---------------------------------------------------------------- a copy with another protocol version */

for (const [title, one, two] of [
  ['the older copy first', older, first],
  ['the older copy second', first, older],
] as const) {
  kernelTest(`${title}: the copy that did not hook the socket copies, and the order is kept`, async (t) => {
    const results = await sendInTurn(t, one, two)
    t.deepEqual(results.map(({ fallbacks }) => fallbacks.map(({ code }) => code)[0]).slice(1, 3), [
      fallbackCode('WRAPPED'),
      fallbackCode('WRAPPED'),
    ])
    t.is(results[0]!.method, METHOD)
  })

  kernelTest(`${title}: a stream piped to a hooked response is copied, and the order is kept`, async (t) => {
    const { connect } = await serve(t, async (_, response) => {
      await one.sendfile(response, file.path)
      await two.sendfile(response, other.path)
      const stream = two.createReadStream(other.path)
      const finished = once(response, 'finish')
      stream.pipe(response)
      await finished
      t.is(stream.transfer?.fallbacks[0]?.code, fallbackCode('WRAPPED'))
    })
    const client = await connect()
    for (let round = 0; round < 2; round += 1) {
      const { body } = await within(client.request('/'), 'the answer')
      t.is(sha256(body), sha256(file.bytes, other.bytes, other.bytes))
    }
  })

  kernelTest(`${title}: a request on an agent's socket that the other copy hooked keeps the order`, async (t) => {
    const uploads = await receiveUploads(t)
    const results = []
    for (const { sendfile } of [one, two, one]) {
      const request = uploads.request(file.bytes.length)
      results.push(await uploads.answered(request, () => sendfile(request, file.path, { end: true })))
      t.is(request.reusedSocket, results.length > 1)
      t.is(sha256(uploads.bodies.at(-1)!), sha256(file.bytes))
      await new Promise(setImmediate)
    }
    t.deepEqual(
      results.map(({ method }) => method),
      [METHOD, 'copy', METHOD],
    )
  })
}
