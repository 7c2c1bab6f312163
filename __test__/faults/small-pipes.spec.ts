// A user who has used up fs.pipe-user-pages-soft gets pipes of one or two pages. splice(2) must work with them: EAGAIN
// may refer to the slots of a pipe, not to its bytes.
import { spawnSync } from 'node:child_process'
import { chmodSync } from 'node:fs'
import net from 'node:net'
import { setTimeout } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'

import { run, TYPESCRIPT } from '../fixtures/child-process.ts'
import { kernelSerial } from '../fixtures/executor.ts'
import { sampleDirectory, sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { within } from '../fixtures/within.ts'
import { compilerIsThere, smallPipes } from './compiled.ts'

/** More than the kernel buffers for a slow reader. */
const SIZE = 12 << 20
/** Bytes at a time, for a reader that is slow during this time. */
const SIP = 700
const SLOW_FOR = 100 << 10
const FAST_SIP = 64 << 10
/** Two pages, of which at most one is full if the range does not begin at a page. */
const LEAST_A_CALL = 4096

const file = sampleFile(SIZE)

/** As a user to whom the limit applies. */
function confined(): string[] {
  const asNobody = process.getuid?.() === 0 ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : []
  chmodSync(sampleDirectory(), 0o755)
  return [...asNobody, ...smallPipes().command]
}

function whyNotHere(): string | undefined {
  if (!compilerIsThere) return 'there is no C compiler'
  const [program = '', ...rest] = [...confined(), process.execPath, TYPESCRIPT, '-e', '']
  const { status, stderr, error } = spawnSync(program, rest, { encoding: 'utf8' })
  return status === 0 ? undefined : `the limit cannot be used up: ${error?.message ?? `${status} ${stderr}`}`
}

const obstacle = whyNotHere()
const declare = obstacle === undefined ? kernelSerial : test.serial.skip
if (obstacle !== undefined) console.log(`small pipes: skipped: ${obstacle}`)

/** The digest of everything that comes, slowly at first. */
function received(port: number): Promise<string> {
  const parts: Buffer[] = []
  let length = 0
  const buffer = (): Uint8Array => Buffer.alloc(length > SLOW_FOR ? FAST_SIP : SIP)
  const callback = (bytes: number, into: Uint8Array): boolean => {
    parts.push(Buffer.from(into.subarray(0, bytes)))
    length += bytes
    if (length > SLOW_FOR) return true
    void setTimeout(1).then(() => socket.resume())
    return false
  }
  const socket = net.connect({ port, host: '127.0.0.1', onread: { buffer, callback } })
  return new Promise((resolve, reject) => {
    socket.on('error', reject)
    socket.on('close', () => resolve(sha256(...parts)))
  })
}

async function splice(t: ExecutionContext, offset: number, connections: number): Promise<void> {
  const child = run(t, 'spliced.ts', [file.path, `${offset}`, `${connections}`], { inside: confined() })
  const port = Number(/"port":(\d+)/.exec(await child.writes(/"port":\d+/))?.[1])
  const digests = Array.from({ length: connections }, () => received(port))
  for (const digest of await within(Promise.all(digests), 'every byte', 60_000)) {
    t.is(digest, sha256(file.bytes.subarray(offset)))
  }
  const { code, stdout, stderr } = await child.exit
  t.deepEqual({ code, stderr }, { code: 0, stderr: '' })
  const results = stdout.trim().split('\n').slice(1)
  t.is(results.length, connections)
  for (const result of results) {
    const { method, fallbacks, syscalls } = JSON.parse(result)
    t.deepEqual({ method, fallbacks }, { method: 'splice', fallbacks: 0 })
    // Into the pipe, out of it, and a repetition after EAGAIN.
    t.true(syscalls <= (4 * (SIZE - offset)) / LEAST_A_CALL, `${syscalls} system calls`)
  }
}

for (const offset of [0, 1, 4095, 4096]) {
  declare(`a splice works through a pipe of one or two pages, from offset ${offset}`, (t) => splice(t, offset, 1))
}

declare('fifty splices work through pipes of one or two pages', (t) => splice(t, SIZE - (1 << 20) - 1, 50))
