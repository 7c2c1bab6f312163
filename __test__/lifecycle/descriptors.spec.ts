// Descriptor numbers are reused immediately: no transfer may follow a number to its new owner.
import { once } from 'node:events'
import fs from 'node:fs'
import { open } from 'node:fs/promises'
import net from 'node:net'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import test from 'ava'

import { sendfile } from '../../index.ts'
import { connectedPair, portOf } from '../fixtures/connected-pair.ts'
import { countDescriptors, descriptorsSettleAt } from '../fixtures/descriptors.ts'
import { endingOf } from '../fixtures/ending.ts'
import { kernelSerial } from '../fixtures/executor.ts'
import { Received } from '../fixtures/received.ts'
import { sampleBytes, sampleDirectory, sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { warmEngine } from '../fixtures/warm-engine.ts'
import { within } from '../fixtures/within.ts'

const ROUNDS = 300
const file = sampleFile(16 << 20)
const other = sampleFile(16 << 20, 2)

test.before(warmEngine)

test.serial('a new connection reuses the number of a destroyed socket without receiving its transfer', async (t) => {
  const descriptors = countDescriptors()
  const server = net.createServer()
  const port = await portOf(server)
  t.teardown(() => server.close())
  const connect = async (): Promise<{ near: net.Socket; far: net.Socket }> => {
    const accepted = once(server, 'connection')
    const far = net.connect(port, '127.0.0.1')
    const [near] = await accepted
    return { near, far }
  }

  let reused = 0
  for (let round = 0; round < ROUNDS; round += 1) {
    const first = await connect()
    const received = new Received(first.far)
    const number = numberOf(first.near)
    const ending = endingOf(sendfile(first.near, file.path))
    await within(received.reaches(1), 'the first bytes')
    first.near.destroy()
    const second = await connect()
    if ([numberOf(second.near), numberOf(second.far)].includes(number)) reused += 1
    const message = `round ${round}`
    const got = new Received(second.far)
    second.near.end(message)
    await within(got.closed, 'the end of the second connection')
    t.is(got.bytes.toString('latin1'), message)

    const { code, bytesSent } = await ending
    t.is(code, 'ERR_SENDFILE_DESTINATION')
    await within(received.closed, 'the end of the first connection')
    t.is(received.length, bytesSent)
  }
  t.true(reused > ROUNDS / 2, `the number was used again in ${reused} of ${ROUNDS} rounds`)
  server.close()
  t.is(await descriptorsSettleAt(descriptors), descriptors)
})

/** The descriptor of a socket. */
function numberOf(socket: net.Socket): number {
  const handle: unknown = Reflect.get(socket, '_handle')
  return typeof handle === 'object' && handle !== null && 'fd' in handle ? Number(handle.fd) : -1
}

// With the addon the transfer has a duplicate. Without it, the caller must keep the descriptor open.
for (const queued of [false, true]) {
  const when = queued ? 'while it is queued' : 'while it runs'

  kernelSerial(`the named file is sent if another file reuses its number ${when}`, async (t) => {
    const descriptors = countDescriptors()
    const { near, received, close } = await connectedPair(t)
    const head = sampleBytes(queued ? 8 << 20 : 16, 3)
    near.write(head)
    const source = fs.openSync(file.path, 'r')
    const transfer = sendfile(near, source, { end: true })
    fs.closeSync(source)
    const taker = fs.openSync(other.path, 'r')
    t.is(taker, source)
    const { bytesSent } = await within(transfer, 'the transfer')
    fs.closeSync(taker)
    await within(received.closed, 'the end of the connection')
    t.is(bytesSent, file.bytes.length)
    t.is(sha256(received.bytes), sha256(head, file.bytes))
    close()
    t.is(await descriptorsSettleAt(descriptors), descriptors)
  })

  kernelSerial(`the named file is sent if its FileHandle is closed ${when}`, async (t) => {
    const descriptors = countDescriptors()
    const { near, received, close } = await connectedPair(t)
    const head = sampleBytes(queued ? 8 << 20 : 16, 3)
    near.write(head)
    const handle = await open(file.path)
    const transfer = sendfile(near, handle, { end: true })
    await handle.close()
    await within(transfer, 'the transfer')
    await within(received.closed, 'the end of the connection')
    t.is(sha256(received.bytes), sha256(head, file.bytes))
    close()
    t.is(await descriptorsSettleAt(descriptors), descriptors)
  })
}

// Node opens it in a later tick.
kernelSerial('a file that is removed right after the call arrives complete', async (t) => {
  const descriptors = countDescriptors()
  const { near, received, close } = await connectedPair(t)
  const { path, bytes } = sampleFile(4 << 20, 4)
  const transfer = sendfile(near, path, { end: true })
  fs.rmSync(path)
  await within(transfer, 'the transfer')
  await within(received.closed, 'the end of the connection')
  t.is(sha256(received.bytes), sha256(bytes))
  close()
  t.is(await descriptorsSettleAt(descriptors), descriptors)
})

test.serial(
  'a descriptor released by a transfer to a file is not closed again after its number is reused',
  async (t) => {
    const place = join(sampleDirectory(), 'let-go.copy')
    const destination = await open(place, 'w')
    const small = sampleFile(1000)
    const chunks: Buffer[] = []
    const later = new Writable({
      write(chunk: Buffer, _encoding, callback) {
        chunks.push(chunk)
        setImmediate(callback)
      },
    })
    const first = sendfile(destination, small.path)
    const numbers = (): string[] => fs.readdirSync('/proc/self/fd').filter((number) => leadsTo(number, place))
    const deadline = performance.now() + 5000
    // The engine has closed its duplicate, and JavaScript has not been notified yet.
    while (numbers().length > 1 && performance.now() < deadline) fs.statSync(place)
    t.is(numbers().length, 1)
    const second = sendfile(later, file.path)
    await within(first, 'the first transfer')
    const { bytesSent } = await within(second, 'the second transfer')
    t.is(bytesSent, file.bytes.length)
    t.is(sha256(...chunks), sha256(file.bytes))
    await destination.close()
  },
)

function leadsTo(number: string, path: string): boolean {
  try {
    return fs.readlinkSync(`/proc/self/fd/${number}`) === path
  } catch {
    return false // it was the descriptor that read the directory
  }
}
