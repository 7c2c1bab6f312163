// The Linux Test Project, testcases/kernel/syscalls/sendfile and testcases/network/tcp_cmds/sendfile, as far as
// JavaScript can express them. Cases that need C (an offset that cannot be read or written) are in elsewhere.ts.
import dgram from 'node:dgram'
import { once } from 'node:events'
import fs from 'node:fs'
import { open } from 'node:fs/promises'
import net from 'node:net'

import test from 'ava'

import { sendfile, SendfileError } from '../../index.ts'
import { collect } from '../fixtures/collect.ts'
import { counting } from '../fixtures/counted.ts'
import { IN_KERNEL } from '../fixtures/executor.ts'
import { attemptAll, cannotLaunch } from '../fixtures/launched.ts'
import { sampleDirectory, sampleFile, writeSample } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { lineOver } from '../fixtures/transports.ts'
import { within } from '../fixtures/within.ts'

const counted = counting(test)

const ALPHABET = Buffer.from('abcdefghijklmnopqrstuvwxyz')
const source = writeSample(ALPHABET)
const target = `${sampleDirectory()}/ltp-target`

for (const [letter, number, offset, count] of [
  ['a', 58, 0, 26],
  ['b', 59, 2, 24],
] as const) {
  counted(`LTP ${number}: sendfile02${letter}, offset ${offset} and count ${count}`, async (t, scope) => {
    const file = await open(source)
    scope.teardown(() => file.close())
    const { near, arrived } = await lineOver(scope, 'tcp')
    const { bytesSent, offset: after } = await sendfile(near, file, { offset, count, end: true })
    t.deepEqual([bytesSent, after], [count, 26])
    t.is((await arrived()).bytes.toString(), ALPHABET.toString('latin1', offset))
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(1), position: null })
    t.deepEqual([bytesRead, buffer.toString()], [1, 'a'], 'the position has not moved')
  })
}

// A negative number is a bad argument by api.md; the kernel returns EBADF.
for (const [number, name, out, from, code] of [
  [60, 'out -1', -1, 'r', 'ERR_OUT_OF_RANGE'],
  [61, 'out is open for reading', 'r', 'r', 'ERR_SENDFILE_DESTINATION'],
  [62, 'in -1', 'w', -1, 'ERR_OUT_OF_RANGE'],
  [63, 'in is open for writing', 'w', 'a', 'EBADF'],
] as const) {
  counted(`LTP ${number}: sendfile03, ${name}`, async (t, scope) => {
    const opened = (end: string | number): number => {
      if (typeof end === 'number') return end
      const fd = fs.openSync(end === 'w' ? target : source, end)
      scope.teardown(() => fs.closeSync(fd))
      return fd
    }
    const [outFd, inFd] = [opened(out), opened(from)]
    const error = await t.throwsAsync(within(sendfile(outFd, inFd), 'the rejection'))
    t.is(error instanceof Error && 'code' in error ? error.code : undefined, code)
    if (error instanceof SendfileError) t.is(error.bytesSent, 0)
  })
}

// A bad argument by api.md; the kernel returns EINVAL.
counted('LTP 69: sendfile05, offset -1', async (t, scope) => {
  const { near } = await lineOver(scope, 'tcp')
  await t.throwsAsync(sendfile(near, source, { offset: -1 }), { instanceOf: RangeError, code: 'ERR_OUT_OF_RANGE' })
  t.is(near.bytesWritten, 0)
})

counted('LTP 70: sendfile06, offset null moves the position', async (t, scope) => {
  const file = await open(source)
  scope.teardown(() => file.close())
  const { near, arrived } = await lineOver(scope, 'tcp')
  t.like(await sendfile(near, file, { offset: null, end: true }), { bytesSent: 26, offset: 26 })
  t.is((await arrived()).bytes.toString(), ALPHABET.toString())
  t.is((await file.read({ buffer: Buffer.alloc(1), position: null })).bytesRead, 0, 'the position is the end')
})

// Refused by api.md; the kernel returns EAGAIN for a full one and sends a packet to an empty one.
counted('LTP 71: sendfile07, a datagram socket', async (t, scope) => {
  const socket = dgram.createSocket('udp4').bind(0, '127.0.0.1')
  scope.teardown(async () => {
    socket.close()
    await once(socket, 'close')
  })
  await once(socket, 'listening')
  const sending: unknown = Reflect.apply(sendfile, undefined, [socket, source])
  const error = await t.throwsAsync(Promise.resolve(sending), { instanceOf: SendfileError })
  t.like(error, { code: 'ERR_SENDFILE_DESTINATION', bytesSent: 0 })
  const reason = cannotLaunch()
  if (reason !== undefined) return void t.log(`by its number, skipped: ${reason}`)
  const settings = ['--open', 'datagram=100,101', '--nonblocking', '100']
  const attempts = [{ name: 'unix', out: 100, source: `${source}|r`, options: {} }]
  const { ended } = await attemptAll(scope, settings, attempts)
  // without the addon, a datagram socket cannot be recognized by its number
  const code = IN_KERNEL ? 'ERR_SENDFILE_DESTINATION' : 'ERR_SENDFILE_UNSUPPORTED'
  t.like(ended.get('unix'), { code, bytesSent: 0 })
})

counted('LTP 72: sendfile08, a destination file is written at its position', async (t, scope) => {
  const file = await open(target, 'w+')
  scope.teardown(() => file.close())
  await file.write('hello')
  t.like(await sendfile(file, writeSample(Buffer.from('world'))), { bytesSent: 5 })
  await file.write('!')
  t.is(fs.readFileSync(target, 'latin1'), 'helloworld!')
})

// 64 MiB instead of 1 GiB, which would fill the memory of a small machine; the second range crosses 4 GiB, where the
// original ends.
const LARGE = 64 << 20
for (const [number, offset] of [
  [73, 0],
  [74, 4 * 2 ** 30 - LARGE / 2],
] as const) {
  counted(`LTP ${number}: sendfile09, a large range from offset ${offset}`, async (t, scope) => {
    const path = `${sampleDirectory()}/ltp-large-${number}`
    const fd = fs.openSync(path, 'w')
    fs.writeSync(fd, ALPHABET, 0, 26, offset)
    fs.writeSync(fd, ALPHABET, 0, 26, offset + LARGE - 26)
    fs.closeSync(fd)
    scope.teardown(() => fs.unlinkSync(path))
    const { near, arrived } = await lineOver(scope, 'tcp')
    const received = arrived()
    t.like(await sendfile(near, path, { offset, count: LARGE, end: true }), {
      bytesSent: LARGE,
      offset: offset + LARGE,
    })
    const expected = Buffer.alloc(LARGE)
    ALPHABET.copy(expected)
    ALPHABET.copy(expected, LARGE - 26)
    t.is(sha256((await received).bytes), sha256(expected))
  })
}

for (const [number, host] of [
  [75, '127.0.0.1'],
  [76, '::1'],
] as const) {
  counted(`LTP ${number}: sendfile01.sh, server and client on ${host}`, async (t, scope) => {
    const { path, bytes } = sampleFile(3 * 2 ** 20 + 1, number)
    const sendings: Promise<unknown>[] = []
    const server = net.createServer((socket) => sendings.push(sendfile(socket, path, { end: true })))
    const listening = await listens(server, host)
    if (listening === undefined) {
      t.log(`skipped: nothing can listen on ${host} here`)
      t.pass()
      return
    }
    scope.teardown(() => server.close())
    const client = net.connect(listening, host)
    scope.teardown(() => client.destroy())
    const { bytes: got, ended } = await within(collect(client), 'the end')
    t.deepEqual([sha256(got), ended], [sha256(bytes), true])
    t.is((await Promise.all(sendings)).length, 1)
  })
}

/** The port; `undefined` where the address does not exist. */
async function listens(server: net.Server, host: string): Promise<number | undefined> {
  try {
    await once(server.listen(0, host), 'listening')
  } catch {
    return undefined
  }
  const address = server.address()
  return typeof address === 'object' ? address?.port : undefined
}
