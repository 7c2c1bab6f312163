/** A server of a remote filesystem that takes its time does not stop the event loop. Needs root, /dev/fuse and fusepy. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'

import test from 'ava'

import { createReadStream, sendfile } from '../../index.ts'
import { kernelSerial } from '../fixtures/executor.ts'
import { until, within } from '../fixtures/within.ts'

const PYTHON = process.env.PYTHON ?? 'python3'
const SERVER = fileURLToPath(new URL('../fixtures/children/slow-filesystem.py', import.meta.url))
const DATA = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7) % 251))
/** The server takes a second. */
const MOST_MS = 700

const hasFuse =
  fs.existsSync('/dev/fuse') && process.getuid?.() === 0 && spawnSync(PYTHON, ['-c', 'import fuse']).status === 0
const serial = hasFuse ? kernelSerial : test.serial.skip

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

for (const slow of ['statfs', 'open', 'getattr', 'flush']) {
  serial(`a FUSE server that is slow to answer ${slow} does not stop the event loop`, async (t) => {
    const directory = fs.mkdtempSync(join(os.tmpdir(), 'remote-'))
    const server = spawn(PYTHON, [SERVER, directory, slow], { stdio: 'ignore' })
    t.teardown(() => {
      spawnSync('umount', ['-l', directory])
      server.kill()
      fs.rmdirSync(directory)
    })
    await isMounted(server, directory)
    const path = join(directory, 'file')
    execFileSync('cat', [path]) // its name is in memory from now on

    const streamed = new Sink()
    const byStream = async (): Promise<void> => {
      createReadStream(path).pipe(streamed)
      await once(streamed, 'finish')
    }
    t.true((await longestTurn(byStream)) < MOST_MS, 'a stream')
    t.true(streamed.bytes.equals(DATA))

    const sent = new Sink()
    t.true((await longestTurn(() => sendfile(sent, path))) < MOST_MS, 'sendfile() of a path')
    t.true(sent.bytes.equals(DATA))

    const handle = await fs.promises.open(path)
    const numbered = new Sink()
    t.true((await longestTurn(() => sendfile(numbered, handle))) < MOST_MS, 'sendfile() of a FileHandle')
    t.true(numbered.bytes.equals(DATA))
    await handle.close()
    await until(() => openDescriptors(directory).length === 0, 'the last close')
  })
}
