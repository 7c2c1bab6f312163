// The switches of SENDFILE64_WITHOUT, observed by strace: scripts/test/fallbacks.mjs runs the whole contract with them.
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import test, { type ExecutionContext } from 'ava'

import type { SendfileResult } from '../../index.ts'
import { TYPESCRIPT } from '../fixtures/child-process.ts'
import { kernelSerial } from '../fixtures/executor.ts'
import { sampleDirectory, sampleFile } from '../fixtures/sample-file.ts'

const file = sampleFile(3 * 2 ** 20)
const script = fileURLToPath(new URL('../fixtures/children/one-transfer.ts', import.meta.url))
const straceIsThere = spawnSync('strace', ['-V']).status === 0

/** System calls by feature; strace before 6.4 knows cachestat(2) by its number only, the same on every architecture. */
const CALLS = {
  sendfile: /^\d+ +sendfile(?:64)?\(/gm,
  openat2: /^\d+ +openat2\(/gm,
  cachestat: /^\d+ +(?:cachestat|syscall_0x1c3)\(/gm,
  readnowait: /^\d+ +preadv2\(.*RWF_NOWAIT/gm,
  mincore: /^\d+ +mincore\(/gm,
} as const

type Feature = keyof typeof CALLS
const FEATURES: readonly Feature[] = ['sendfile', 'openat2', 'cachestat', 'readnowait', 'mincore']

/** Which of the calls one transfer of a file in the page cache makes without these features. */
function callsWithout(t: ExecutionContext, without: readonly Feature[]): { result: SendfileResult; made: Feature[] } {
  const log = join(sampleDirectory(), `without-${without.join('-')}.strace`)
  const env = { ...process.env, SENDFILE64_WITHOUT: without.join(',') }
  const node = [process.execPath, TYPESCRIPT, script, file.path]
  const printed = execFileSync('strace', ['-f', '-qq', '-o', log, ...node], { env, encoding: 'utf8', timeout: 40_000 })
  const result: SendfileResult = JSON.parse(printed)
  t.is(result.bytesSent, file.bytes.length)
  const lines = readFileSync(log, 'utf8')
  return { result, made: FEATURES.filter((feature) => lines.search(CALLS[feature]) !== -1) }
}

const testWithStrace = straceIsThere && process.platform === 'linux' ? kernelSerial : test.serial.skip

testWithStrace('without a switch, every available system call is used', (t) => {
  const { result, made } = callsWithout(t, [])
  t.is(result.method, 'sendfile')
  t.true(made.includes('sendfile') && made.includes('openat2'), made.join(' '))
})

for (const feature of FEATURES) {
  testWithStrace(`SENDFILE64_WITHOUT=${feature} avoids its system call, and the file is sent`, (t) => {
    const { result, made } = callsWithout(t, [feature])
    t.false(made.includes(feature), made.join(' '))
    t.is(result.method, feature === 'sendfile' ? 'copy' : 'sendfile')
  })
}

testWithStrace('SENDFILE64_WITHOUT with every feature avoids all these system calls, and the file is sent', (t) => {
  const { result, made } = callsWithout(t, FEATURES)
  t.deepEqual(made, [])
  t.is(result.method, 'copy')
  t.deepEqual(
    result.fallbacks.map(({ from, to, code }) => ({ from, to, code })),
    [{ from: 'sendfile', to: 'copy', code: 'ENOSYS' }],
  )
})
