/** A slow server of a remote filesystem does not block the event loop. Needs root, /dev/fuse and fusepy. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'

import test from 'ava'

import { createReadStream, sendfile } from '../../index.ts'
import { connectedPair } from '../fixtures/connected-pair.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { until, within } from '../fixtures/within.ts'

const PYTHON = process.env.PYTHON ?? 'python3'
const SERVER = fileURLToPath(new URL('../fixtures/children/slow-filesystem.py', import.meta.url))
const DATA = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7) % 251))
/** The server takes one second. */
const MOST_MS = 700

/** Why a FUSE server cannot be started here. */
function whyNot(): string | undefined {
  if (!fs.existsSync('/dev/fuse')) return 'there is no /dev/fuse'
  if (process.getuid?.() !== 0) return 'only root may mount'
  const { status, stderr } = spawnSync(PYTHON, ['-c', 'import fuse'], { encoding: 'utf8' })
  return status === 0 ? undefined : `${PYTHON} cannot import fuse (fusepy): ${stderr?.trim().split('\n').at(-1)}`
}

const reason = whyNot()
if (reason !== undefined) console.log(`remote.spec.ts is skipped: ${reason}`)
const serial = reason === undefined ? test.serial : test.serial.skip

class Sink extends Writable {
  readonly chunks: Buffer[] = []

  override _write(chunk: Buffer, _encoding: unknown, callback: () => void): void {
    this.chunks.push(Buffer.from(chunk))
    callback()
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks)
  }
}

/** The longest time between two turns of the event loop while `action` goes on, in ms. */
async function longestTurn(action: () => Promise<unknown>): Promise<number> {
  let [last, longest] = [performance.now(), 0]
  const turn = (): void => {
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
  }
  const timer = setInterval(turn, 5)
  try {
    await within(action(), 'the transfer')
    await new Promise((resolve) => {
      setTimeout(resolve, 20)
    })
    turn()
  } finally {
    clearInterval(timer)
  }
  return longest
}

function openDescriptors(directory: string): string[] {
  const links = fs.readdirSync('/proc/self/fd').map((fd) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return ''
    }
  })
  return links.filter((link) => link.startsWith(directory))
}

async function isMounted(server: ChildProcess, directory: string): Promise<void> {
  await until(() => {
    if (server.exitCode !== null) throw new Error('the FUSE server has ended')
    return fs.readFileSync('/proc/self/mountinfo', 'latin1').includes(` ${directory} `)
  }, 'the mount')
}

/** FUSE requests a page at a time, and each takes one second. */
const sample = sampleFile(6000)

function openNumber(path: string, flags: string): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.open(path, flags, (error, fd) => (error === null ? resolve(fd) : reject(error)))
  })
}

function closeNumber(fd: number): Promise<void> {
  return new Promise((resolve) => {
    fs.close(fd, () => resolve())
  })
}

for (const slow of ['statfs', 'open', 'getattr', 'read', 'write', 'flush']) {
  serial(`a FUSE server that is slow to respond to ${slow} does not block the event loop`, async (t) => {
    const directory = fs.mkdtempSync(join(os.tmpdir(), 'remote-'))
    const server = spawn(PYTHON, [SERVER, directory, slow], { stdio: 'ignore' })
    t.teardown(() => {
      spawnSync('umount', ['-l', directory])
      server.kill()
      fs.rmdirSync(directory)
    })
    await isMounted(server, directory)
    const path = join(directory, 'file')
    execFileSync('cat', [path]) // its name is cached from now on
    const isShort = async (what: string, action: () => Promise<unknown>): Promise<void> => {
      t.true((await longestTurn(action)) < MOST_MS, what)
    }

    const streamed = new Sink()
    await isShort('a stream', async () => {
      createReadStream(path).pipe(streamed)
      await once(streamed, 'finish')
    })
    t.true(streamed.bytes.equals(DATA))

    const sent = new Sink()
    await isShort('sendfile() of a path', () => sendfile(sent, path))
    t.true(sent.bytes.equals(DATA))

    const { near, received } = await connectedPair(t)
    await isShort('sendfile() to a socket', async () => {
      await sendfile(near, path, { end: true })
      await received.closed
    })
    t.true(received.bytes.equals(DATA))

    const handle = await fs.promises.open(path)
    const numbered = new Sink()
    await isShort('sendfile() of a FileHandle', () => sendfile(numbered, handle))
    t.true(numbered.bytes.equals(DATA))
    await handle.close()

    const number = await openNumber(path, 'r')
    const waiting = new Sink()
    await isShort('sendfile() of a number, queued', () =>
      Promise.all([sendfile(waiting, number, { offset: 0 }), sendfile(waiting, number, { offset: 0 })]),
    )
    t.true(waiting.bytes.equals(Buffer.concat([DATA, DATA])))
    await closeNumber(number)

    const destination = await openNumber(path, 'r+')
    await isShort('sendfile() to a descriptor, which is closed', () =>
      sendfile(destination, sample.path, { end: true }),
    )
    const refused = await openNumber(path, 'r+')
    await isShort('sendfile() that cannot begin', () =>
      t.throwsAsync(sendfile(refused, join(directory, 'absent')), { code: 'ENOENT' }),
    )
    await closeNumber(refused)
    await until(() => openDescriptors(directory).length === 0, 'the last close')
  })
}
