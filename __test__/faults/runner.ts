// Runs one transfer in a child process with injected system call failures, and collects the received bytes.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { createReadStream, readFileSync } from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'

import type { SendfileOptions } from '../../index.ts'
import { TYPESCRIPT } from '../fixtures/child-process.ts'
import { collect, type Collected } from '../fixtures/collect.ts'
import { portOf } from '../fixtures/connected-pair.ts'
import { sampleDirectory, type SampleFile } from '../fixtures/sample-file.ts'
import { within } from '../fixtures/within.ts'

export type Destination = 'TCP socket' | 'response with Content-Length' | 'chunked response' | 'FIFO' | 'file'

/** A process, and the program that runs it: strace or a launcher. */
export interface Launch {
  readonly command: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export interface Reported {
  readonly code: string
  readonly bytesSent: number
  readonly offset: number
  readonly syscall?: string
  readonly cause?: string
  readonly method?: string
  readonly fallbacks?: readonly { readonly from: string; readonly to: string; readonly code: string }[]
  readonly syscalls?: number
  /** Processor time of the process, in clock ticks. */
  readonly ticks: number
}

const LIMIT = 30_000
const script = fileURLToPath(new URL('../fixtures/children/faulted.ts', import.meta.url))
let places = 0

/** The bytes written afterwards to a destination that is not a message. */
export const TAIL = Buffer.from('the tail')

/** Whether this machine lets us trace our own children. */
export const straceWorks = spawnSync('strace', ['-qq', '-e', 'trace=none', 'true']).status === 0

/** A path for one destination; a FIFO is made there. */
export function place(kind: Destination): string {
  const path = join(sampleDirectory(), `destination-${(places += 1)}`)
  if (kind === 'FIFO') execFileSync('mkfifo', [path])
  return path
}

/** The result of the transfer, and the bytes that arrived at `kind`. */
export async function transferTo(
  t: ExecutionContext,
  kind: Destination,
  path: string,
  file: SampleFile,
  options: SendfileOptions,
  launch: Launch,
): Promise<{ reported: Reported; collected: Collected }> {
  let collected: Promise<Collected> | undefined
  let target = path
  if (kind === 'TCP socket') {
    const server = net.createServer((socket) => (collected = collect(socket)))
    target = String(await portOf(server))
    t.teardown(() => server.close())
  } else if (kind === 'FIFO') {
    const reader = createReadStream(path)
    t.teardown(() => void reader.destroy())
    collected = collect(reader)
  } else if (kind === 'response with Content-Length') {
    target = String(file.bytes.length)
  }
  const stdout = await runToEnd(t, launch, [kind, target, file.path, JSON.stringify(options)], (port) => {
    collected = get(port)
  })
  if (kind === 'file') collected = Promise.resolve({ bytes: readFileSync(path), ended: true })
  const last = stdout.trimEnd().split('\n').at(-1) ?? ''
  if (collected === undefined) throw new Error(`nobody has connected: ${stdout}`)
  return { reported: JSON.parse(last), collected: await within(collected, 'the end of what arrives') }
}

/** Returns its output. `serves` is called with its port, if it has one. */
async function runToEnd(
  t: ExecutionContext,
  { command, env = {} }: Launch,
  args: readonly string[],
  serves: (port: number) => void,
): Promise<string> {
  const [program = '', ...before] = [...command, process.execPath, TYPESCRIPT, script, ...args]
  const child = spawn(program, before, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
    detached: true,
  })
  // strace is the leader of the group: its traced processes survive its end.
  t.teardown(() => {
    if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  })
  let stdout = ''
  let stderr = ''
  let port: string | undefined
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    if (port !== undefined) return
    port = /"port":(\d+)/.exec(stdout)?.[1]
    if (port !== undefined) serves(Number(port))
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const exit = new Promise<number | null>((resolve) => {
    child.on('close', resolve)
  })
  const code = await within(exit, 'the exit of the process', LIMIT)
  t.deepEqual({ code, stderr }, { code: 0, stderr: '' })
  return stdout
}

/** Never rejects: a connection that ends before the head resolves with nothing. */
function get(port: number): Promise<Collected> {
  return new Promise((resolve) => {
    const request = http.get({ port, host: '127.0.0.1', agent: false }, (answer) => resolve(collect(answer)))
    request.on('error', () => resolve({ bytes: Buffer.alloc(0), ended: false }))
  })
}
