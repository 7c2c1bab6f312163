import { execFileSync, spawn, type StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import type net from 'node:net'
import { fileURLToPath } from 'node:url'

import test from 'ava'

import { sendfile } from '../../index.ts'
import { TYPESCRIPT } from '../fixtures/child-process.ts'
import { collect, type Collected } from '../fixtures/collect.ts'
import { connectedPair } from '../fixtures/connected-pair.ts'
import { FALLBACK_CODES, FILE_METHOD, kernelSerial, METHOD } from '../fixtures/executor.ts'
import { pseudoTerminal, terminalProblem } from '../fixtures/pseudo-terminal.ts'
import { sampleDirectory, sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { engineIdle } from '../fixtures/threads.ts'
import { within } from '../fixtures/within.ts'

const file = sampleFile(700_001)
const { O_RDONLY, O_WRONLY, O_NONBLOCK, O_NOCTTY } = fs.constants
/** More than libuv has threads for files. */
const MANY = 8

/** Whether the open file description is in non-blocking mode: proc(5), /proc/pid/fdinfo. */
function isNonblocking(fd: number): boolean {
  const [, flags = '0'] = /^flags:\s*(\d+)/m.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1')) ?? []
  return (Number.parseInt(flags, 8) & O_NONBLOCK) !== 0
}

async function bothLoopsTurn(): Promise<void> {
  await within(Promise.all(Array.from({ length: MANY }, () => fs.promises.stat(file.path))), 'the threads of libuv')
}

test.serial('full pipes in blocking mode block neither the event loop nor the thread pool', async (t) => {
  const ends = Array.from({ length: MANY }, (_, index) => {
    const path = `${sampleDirectory()}/blocking-${index}.fifo`
    execFileSync('mkfifo', [path])
    const reader = fs.openSync(path, O_RDONLY | O_NONBLOCK)
    return { path, reader, writer: fs.openSync(path, O_WRONLY) }
  })
  const sending = ends.map(({ writer }) => sendfile(writer, file.path, { end: true }))
  await engineIdle()
  await bothLoopsTurn()
  t.deepEqual(
    ends.map(({ writer }) => isNonblocking(writer)),
    ends.map(() => false),
    'descriptors that share it are still blocking',
  )
  const found = ends.map(({ reader, path }) => {
    const stream = fs.createReadStream(path, { fd: fs.openSync(path, O_RDONLY) })
    fs.closeSync(reader)
    return collect(stream)
  })
  const results = await within(Promise.all(sending), 'the transfers')
  t.deepEqual(new Set(results.map(({ bytesSent }) => bytesSent)), new Set([file.bytes.length]))
  for (const { bytes } of await within(Promise.all(found), 'the ends')) t.is(sha256(bytes), sha256(file.bytes))
})

test.serial('a full terminal blocks neither the event loop nor the thread pool', async (t) => {
  if (terminalProblem !== undefined) return (void t.log(`skipped: ${terminalProblem}`), t.pass())
  const terminal = await pseudoTerminal({ reading: false })
  t.teardown(() => terminal.close())
  const fd = fs.openSync(terminal.path, O_WRONLY | O_NOCTTY)
  await terminal.opened()
  const sending = sendfile(fd, file.path, { end: true })
  await engineIdle()
  await bothLoopsTurn()
  t.false(isNonblocking(fd), 'descriptors that share it are still blocking')
  terminal.read()
  t.is((await within(sending, 'the transfer')).bytesSent, file.bytes.length)
  t.is(sha256((await within(terminal.received, 'the end')).bytes), sha256(file.bytes))
})

interface Reported {
  readonly bytesSent?: number
  readonly method?: string
  readonly codes?: readonly string[]
  readonly code?: string
  readonly cause?: string
}

const script = fileURLToPath(new URL('../fixtures/children/to-stdout.ts', import.meta.url))
const node = [TYPESCRIPT, script, file.path]

interface Program {
  /** The destination: its standard output or descriptor 3. */
  readonly how: string
  readonly output: 'pipe' | number | net.Socket
  readonly env?: Record<string, string>
  /** Descriptor 3 is set to blocking mode before the start: Node leaves sockets in nonblocking mode. */
  readonly blocking?: boolean
}

const BLOCKING = 'import os, sys; os.set_blocking(3, True); os.execv(sys.argv[1], sys.argv[1:])'

/** Runs a program that sends the file. */
async function reported({
  how,
  output,
  env = {},
  blocking = false,
}: Program): Promise<{ reported: Reported; out: Collected }> {
  const stdio: StdioOptions = how === '3' ? ['ignore', 'ignore', 'pipe', output] : ['ignore', output, 'pipe']
  const line = [process.execPath, ...node, how]
  const [command = '', ...args] = blocking ? ['python3', '-S', '-E', '-c', BLOCKING, ...line] : line
  const child = spawn(command, args, { stdio, env: { ...process.env, ...env } })
  const out = child.stdout === null ? Promise.resolve({ bytes: Buffer.alloc(0), ended: true }) : collect(child.stdout)
  if (child.stderr === null) throw new Error('there is no standard error')
  const [said] = await within(Promise.all([collect(child.stderr), once(child, 'exit')]), 'the child', 20_000)
  return { reported: JSON.parse(said.bytes.toString()), out: await out }
}

for (const [name, how] of [
  ['a stream', 'stream'],
  ['a number', '1'],
] as const) {
  test.serial(`standard output that is a file is a destination, as ${name}`, async (t) => {
    const path = `${sampleDirectory()}/stdout-${how}`
    const fd = fs.openSync(path, 'w')
    const { reported: said } = await reported({ how, output: fd })
    fs.closeSync(fd)
    t.is(said.bytesSent, file.bytes.length)
    t.is(said.method, how === '1' ? FILE_METHOD : 'copy')
    t.is(sha256(fs.readFileSync(path)), sha256(file.bytes))
  })

  test.serial(`standard output that is a pipe is a destination, as ${name}`, async (t) => {
    const line = [process.execPath, ...node, how].map((word) => `'${word}'`).join(' ')
    const shell = spawn('sh', ['-c', `${line} | cat`], { stdio: ['ignore', 'pipe', 'pipe'] })
    const [out, said] = await within(Promise.all([collect(shell.stdout), collect(shell.stderr)]), 'the end', 20_000)
    t.like(JSON.parse(said.bytes.toString()), {
      bytesSent: file.bytes.length,
      method: METHOD,
      codes: [...FALLBACK_CODES],
    })
    t.is(sha256(out.bytes), sha256(file.bytes))
  })

  // JavaScript cannot write to a socket by its number.
  const declare = how === '1' ? kernelSerial : test.serial
  declare(`standard output that is a socket is a destination, as ${name}`, async (t) => {
    const { reported: said, out } = await reported({ how, output: 'pipe' })
    t.is(said.bytesSent, file.bytes.length)
    t.is(sha256(out.bytes), sha256(file.bytes))
  })

  test.serial(`standard output that is a terminal is a destination, as ${name}`, async (t) => {
    if (terminalProblem !== undefined) return (void t.log(`skipped: ${terminalProblem}`), t.pass())
    const terminal = await pseudoTerminal()
    t.teardown(() => terminal.close())
    const fd = fs.openSync(terminal.path, O_WRONLY | O_NOCTTY)
    await terminal.opened()
    const { reported: said } = await reported({ how, output: fd })
    fs.closeSync(fd)
    t.is(said.bytesSent, file.bytes.length)
    t.is(sha256((await within(terminal.received, 'the end')).bytes), sha256(file.bytes))
  })
}

kernelSerial('a socket in blocking mode is copied to, because only a write can be nonblocking', async (t) => {
  if (terminalProblem !== undefined) return (void t.log(`skipped: ${terminalProblem}`), t.pass())
  const { near, received } = await connectedPair(t)
  const { reported: said } = await reported({ how: '3', output: near, blocking: true })
  t.deepEqual(said, { bytesSent: file.bytes.length, method: 'copy', codes: ['EAGAIN'] })
  near.end()
  await within(received.closed, 'the end')
  t.is(sha256(received.bytes), sha256(file.bytes))
})

kernelSerial('a pipe in blocking mode that cannot be reopened is spliced to or refused', async (t) => {
  const path = `${sampleDirectory()}/not-again.fifo`
  execFileSync('mkfifo', [path])
  const reading = collect(fs.createReadStream(path))
  const writer = await fs.promises.open(path, 'w')
  const splice = await reported({ how: '3', output: writer.fd, env: { SENDFILE64_WITHOUT: 'reopen' } })
  const nothing = await reported({ how: '3', output: writer.fd, env: { SENDFILE64_WITHOUT: 'reopen,splice' } })
  await writer.close()
  t.deepEqual(splice.reported, { bytesSent: file.bytes.length, method: 'splice', codes: ['EAGAIN'] })
  t.deepEqual(nothing.reported, { code: 'ERR_SENDFILE_UNSUPPORTED', cause: 'ENOSYS' })
  t.is(sha256((await within(reading, 'the end')).bytes), sha256(file.bytes), 'the second one has sent nothing')
})

test.serial('an aborted transfer to a full pipe reports exactly the bytes in the pipe', async (t) => {
  const path = `${sampleDirectory()}/full`
  execFileSync('mkfifo', [path])
  const fd = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_NONBLOCK)
  t.teardown(() => fs.closeSync(fd))
  const size = 64 * 1024 + 1000 // pipe(7) holds 64 KiB
  const sent = sendfile(fd, sampleFile(size).path, { signal: AbortSignal.timeout(200) })
  const error = await t.throwsAsync(within(sent, 'the rejection'), { code: 'ABORT_ERR' })
  const held = fs.readSync(fd, Buffer.alloc(size))
  t.like(error, { bytesSent: held, offset: held })
  t.true(held < size)
})
