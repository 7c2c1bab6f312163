// Workers of node:cluster: connections belong to the worker that serves them, under both scheduling policies.
import { readdirSync } from 'node:fs'
import http from 'node:http'
import { join } from 'node:path'
import test from 'ava'

import { buildIfStale, linkedProject } from '../fixtures/built-package.ts'
import { run, TYPESCRIPT } from '../fixtures/child-process.ts'
import { collect } from '../fixtures/collect.ts'
import { METHOD } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { until, within } from '../fixtures/within.ts'

const ROUNDS = 15
/** Descriptors that the engine of a worker keeps after its first transfer: far fewer than the transfers. */
const ENGINE = 16
const AT_ONCE = 4
const WAYS = ['/sendfile', '/pipe'] as const

const file = sampleFile((1 << 20) + 77)

/** What a process of the cluster prints: the primary first, where it is; then a worker at the end of each transfer. */
interface Line {
  readonly pid: number
  readonly port?: number
  readonly workers?: readonly number[]
  readonly method?: string
  readonly bytesSent?: number
}

const parse = (text: string): Line[] =>
  text
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line))

/** The checksum of one response on a new connection. */
function get(port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    http
      .get({ port, path, agent: false }, (answer) => void collect(answer).then(({ bytes }) => resolve(sha256(bytes))))
      .on('error', reject)
  })
}

/** Each way a few times at once. */
async function getAll(port: number): Promise<string[]> {
  const paths = Array.from({ length: AT_ONCE }, () => WAYS).flat()
  return within(Promise.all(paths.map((path) => get(port, path))), 'the answers')
}

const countDescriptors = (pids: readonly number[]): number[] => pids.map((pid) => readdirSync(`/proc/${pid}/fd`).length)

test.before(() => buildIfStale())

for (const policy of ['SCHED_RR', 'SCHED_NONE'] as const) {
  for (const streams of ['imported', 'registered'] as const) {
    test.serial(`${policy}, streams are ${streams}`, async (t) => {
      const register = ['--require', join(linkedProject(), 'node_modules/sendfile64/dist/register.cjs')]
      const execArgv = streams === 'registered' ? [...register, TYPESCRIPT] : [TYPESCRIPT]
      const child = run(t, 'cluster.ts', [policy, streams, file.path], { execArgv })
      const [place] = parse(await child.writes(/"workers".*\n/))
      const { pid = 0, port = 0, workers = [] } = place ?? {}

      const pids = [pid, ...workers]
      const before = countDescriptors(pids)
      const sums: string[][] = []
      for (let round = 0; round < ROUNDS; round += 1) sums.push(await getAll(port))
      t.deepEqual(new Set(sums.flat()), new Set([sha256(file.bytes)]))
      const closed = (): boolean =>
        countDescriptors(pids).every((count, index) => count <= (before[index] ?? 0) + ENGINE)
      await until(closed, `the descriptors are about ${String(before)} again`)

      await child.writes(new RegExp(`(?:.*"method".*\\n){${sums.flat().length}}`))
      child.process.kill('SIGTERM')
      const { code, stdout, stderr } = await child.exit
      t.is(code, 0, stderr)
      const transfers = parse(stdout).filter(({ method }) => method !== undefined)
      t.is(transfers.length, sums.flat().length)
      for (const { pid: sender, method, bytesSent } of transfers) {
        t.true(workers.includes(sender))
        t.is(method, METHOD)
        t.is(bytesSent, file.bytes.length)
      }
      const senders = new Set(transfers.map(({ pid: sender }) => sender))
      // without round-robin the kernel chooses, and may choose the same one
      if (policy === 'SCHED_RR') t.is(senders.size, workers.length)
    })
  }
}
