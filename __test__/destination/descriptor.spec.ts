import fs from 'node:fs'
import { open } from 'node:fs/promises'

import test from 'ava'

import { sendfile } from '../../index.ts'
import { countDescriptors, descriptorsSettleAt, restingDescriptors } from '../fixtures/descriptors.ts'
import { kernelSerial } from '../fixtures/executor.ts'
import { OwnDescriptor } from '../fixtures/own-descriptor.ts'
import { sampleDirectory, sampleFile, writeSample } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { warmEngine } from '../fixtures/warm-engine.ts'
import { within } from '../fixtures/within.ts'

const file = sampleFile(300_001)
const other = sampleFile(50_000, 2)
let outputs = 0

const outputPath = (): string => `${sampleDirectory()}/output-${outputs++}`

test.before(async () => {
  await warmEngine()
  await restingDescriptors()
})

/** How many descriptors of this process refer to the file. */
function timesOpen(path: string): number {
  const linked = (fd: string): string => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return '' // it was closed in the meantime
    }
  }
  return fs.readdirSync('/proc/self/fd').filter((fd) => linked(fd) === path).length
}

test.serial('nothing is closed under a number that was reused after the engine had released it', async (t) => {
  const before = countDescriptors()
  const path = outputPath()
  const own = new OwnDescriptor(fs.openSync(path, 'w'))
  const first = sendfile(own.fd, file.path)
  // The end is not reported within this tick, however long that is; the engine closes its duplicate during it.
  for (const deadline = performance.now() + 5000; timesOpen(path) > 1;) {
    if (performance.now() > deadline) return t.fail('the engine has not closed its duplicate')
  }
  const second = sendfile(own.fd, other.path)
  const results = await within(Promise.all([first, second]), 'both')
  t.deepEqual(
    results.map(({ bytesSent }) => bytesSent),
    [300_001, 50_000],
  )
  own.close()
  t.is(sha256(fs.readFileSync(path)), sha256(file.bytes, other.bytes))
  t.is(await descriptorsSettleAt(before), before)
})

// Without a duplicate, the caller has to keep the number open.
kernelSerial('queued bytes never go to a file that has reused the number', async (t) => {
  const before = countDescriptors()
  const [path, stranger] = [outputPath(), outputPath()]
  const { fd } = new OwnDescriptor(fs.openSync(path, 'w'))
  const transfers = [sendfile(fd, file.path), sendfile(fd, other.path)]
  fs.closeSync(fd)
  const reused = fs.openSync(stranger, 'w')
  t.is(reused, fd, 'the number is used again')
  await within(Promise.all(transfers), 'both')
  t.is(sha256(fs.readFileSync(path)), sha256(file.bytes, other.bytes))
  t.is(fs.readFileSync(stranger).length, 0)
  fs.closeSync(reused)
  t.is(await descriptorsSettleAt(before), before)
})

test.serial('a file is written at its own position, and the position moves', async (t) => {
  const handle = await open(outputPath(), 'w+')
  await handle.write('0123456789')
  const { bytesSent, offset } = await sendfile(handle, file.path, { offset: 7, count: 1000 })
  await handle.write('!')
  t.deepEqual([bytesSent, offset], [1000, 1007])
  const found = Buffer.alloc(1012)
  const { bytesRead } = await handle.read(found, 0, found.length, 0)
  t.is(bytesRead, 1011)
  t.is(
    sha256(found.subarray(0, 1011)),
    sha256(Buffer.from('0123456789'), file.bytes.subarray(7, 1007), Buffer.from('!')),
  )
  await handle.close()
})

test.serial('a file open for appending receives the bytes once, at its end', async (t) => {
  const path = writeSample(Buffer.from('first '))
  const own = new OwnDescriptor(fs.openSync(path, 'a'))
  await sendfile(own.fd, file.path, { headers: Buffer.from('<'), trailers: Buffer.from('>') })
  own.close()
  t.is(sha256(fs.readFileSync(path)), sha256(Buffer.from('first <'), file.bytes, Buffer.from('>')))
})

test.serial('`end` closes a FileHandle and a number only on success', async (t) => {
  const before = countDescriptors()
  const handle = await open(outputPath(), 'w')
  const own = new OwnDescriptor(fs.openSync(outputPath(), 'w'))
  const count = file.bytes.length + 1
  for (const destination of [handle, own.fd]) {
    await t.throwsAsync(sendfile(destination, file.path, { end: true, count }), { code: 'ERR_SENDFILE_TRUNCATED' })
  }
  t.deepEqual([handle.fd >= 0, own.isOpen], [true, true])
  for (const destination of [handle, own.fd]) await sendfile(destination, file.path, { end: true })
  t.deepEqual([handle.fd, own.isOpen], [-1, false])
  t.is(await descriptorsSettleAt(before), before)
})

test.serial('an unsuitable descriptor is refused before anything is opened', async (t) => {
  const before = countDescriptors()
  const reading = fs.openSync(other.path, 'r')
  const directory = fs.openSync(sampleDirectory(), 'r')
  for (const fd of [reading, directory]) {
    await t.throwsAsync(sendfile(fd, file.path), { code: 'ERR_SENDFILE_DESTINATION' })
    fs.closeSync(fd)
  }
  await t.throwsAsync(sendfile(reading, file.path), { code: 'EBADF' })
  const handle = await open(other.path, 'r+')
  await handle.close()
  await t.throwsAsync(sendfile(handle, file.path), { code: 'EBADF' })
  t.is(await descriptorsSettleAt(before), before)
})

test.serial(
  'a range that would be overwritten before it is read is refused; another range of the same file is sent',
  async (t) => {
    const path = writeSample(file.bytes.subarray(0, 1000))
    const handle = await open(path, 'r+')
    await t.throwsAsync(sendfile(handle, path, { offset: 0, count: 10 }), { code: 'ERR_SENDFILE_OVERLAP' })
    t.is(sha256(fs.readFileSync(path)), sha256(file.bytes.subarray(0, 1000)), 'nothing has been touched')
    await sendfile(handle, path, { offset: 500, count: 100 })
    await handle.close()
    t.is(sha256(fs.readFileSync(path)), sha256(file.bytes.subarray(500, 600), file.bytes.subarray(100, 1000)))
  },
)

test.serial('a full disk rejects with the error of the kernel and the bytes written', async (t) => {
  const fd = fs.openSync('/dev/full', 'w')
  const error = await t.throwsAsync(sendfile(fd, file.path), { code: 'ENOSPC' })
  t.like(error, { bytesSent: 0, offset: 0, errno: -28 })
  fs.closeSync(fd)
})
