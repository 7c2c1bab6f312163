// Files that other code changes while they are copied to a file, and a copy_file_range(2) that returns 0 too early.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, readFileSync, truncateSync, unlinkSync } from 'node:fs'
import { open } from 'node:fs/promises'
import test, { type ExecutionContext } from 'ava'

import { sendfile, type SendfileOptions, type SendfileResult } from '../../index.ts'
import { endingOf } from '../fixtures/ending.ts'
import { canForce, kernelSerial } from '../fixtures/executor.ts'
import { sampleBytes, sampleFile, type SampleFile, writeSample } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { within } from '../fixtures/within.ts'
import { place, straceWorks, TAIL, transferTo } from './runner.ts'
import { injecting } from './strace.ts'

const MIB = 1 << 20
const SIZE = 24 * MIB
const CUT = 18_000_001
const methods = ['copy_file_range', 'sendfile', 'copy'] as const

/** Copies slowly to a file that holds `before`, and calls `change` in the middle. */
async function copied(
  t: ExecutionContext,
  file: SampleFile,
  options: SendfileOptions,
  change: (fd: number) => unknown,
  before: Buffer = Buffer.alloc(0),
): Promise<{ path: string; sending: Promise<SendfileResult> }> {
  const path = writeSample(before)
  const handle = await open(path, 'r+')
  t.teardown(() => handle.close())
  let changed = false
  const onProgress = ({ bytesSent }: { bytesSent: number | bigint }): void => {
    if (changed || bytesSent < 4 * MIB) return
    changed = true
    change(handle.fd)
  }
  const slow = { rate: 32 * MIB, burst: MIB, progressInterval: 1, onProgress }
  return { path, sending: sendfile(handle, file.path, { ...slow, ...options }) }
}

for (const method of methods) {
  const declare = canForce(method) ? test.serial : test.serial.skip
  for (const length of [0, CUT]) {
    declare(
      `a file truncated to ${length} bytes while it is copied by ${method} rejects with the exact count`,
      async (t) => {
        const file = sampleFile(SIZE)
        const { path, sending } = await copied(t, file, { method }, () => truncateSync(file.path, length))
        const ending = await within(endingOf(sending), 'the rejection')
        t.is(ending.code, 'ERR_SENDFILE_TRUNCATED')
        const written = readFileSync(path)
        t.is(ending.bytesSent, written.length)
        if (length > 0) t.is(written.length, length)
        t.is(sha256(written), sha256(file.bytes.subarray(0, written.length)))
      },
    )
  }

  for (const [what, change] of [
    ['unlinked', (path: string) => unlinkSync(path)],
    ['appended to', (path: string) => appendFileSync(path, Buffer.alloc(MIB))],
  ] as const) {
    declare(`a file that is ${what} while it is copied by ${method} arrives with its length at the call`, async (t) => {
      const file = sampleFile(SIZE)
      const { path, sending } = await copied(t, file, { method }, () => change(file.path))
      t.is((await within(sending, 'the copy')).bytesSent, SIZE)
      t.is(sha256(readFileSync(path)), sha256(file.bytes))
    })
  }
}

const APPEND = 'import fcntl, os; fcntl.fcntl(3, fcntl.F_SETFL, fcntl.fcntl(3, fcntl.F_GETFL) | os.O_APPEND)'

/** Node cannot change the flags of a descriptor. */
const declareAppending = spawnSync('python3', ['-c', 'import fcntl']).status === 0 ? kernelSerial : test.serial.skip

for (const length of [0, 2 * SIZE]) {
  declareAppending(
    `a destination of ${length} bytes that becomes O_APPEND in the middle receives every byte once`,
    async (t) => {
      const file = sampleFile(SIZE)
      const before = sampleBytes(length, 2)
      let appending: Promise<unknown[]> | undefined
      const change = (fd: number): void => {
        const child = spawn('python3', ['-c', APPEND], { stdio: ['ignore', 'ignore', 'inherit', fd] })
        appending = once(child, 'exit')
      }
      const { path, sending } = await copied(t, file, { rate: 16 * MIB }, change, before)
      const { bytesSent, method, fallbacks } = await within(sending, 'the copy')
      t.deepEqual(await appending, [0, null])
      t.deepEqual({ bytesSent, method }, { bytesSent: SIZE, method: 'copy' })
      t.deepEqual(
        fallbacks.map(({ from, code }) => `${from} ${code}`),
        ['copy_file_range EBADF', 'sendfile EINVAL'],
      )
      // The kernel appends from then on: earlier bytes are at the beginning, the rest follows the previous content.
      const written = readFileSync(path)
      const appended = length === 0 ? 0 : written.length - length
      const head = SIZE - appended
      t.is(sha256(written.subarray(0, head), written.subarray(written.length - appended)), sha256(file.bytes))
      t.is(sha256(written.subarray(head, written.length - appended)), sha256(before.subarray(head)))
    },
  )
}

const declareInjected = straceWorks ? kernelSerial : test.serial.skip

for (const when of ['1', '2']) {
  declareInjected(
    `a copy_file_range(2) that returns 0 in call ${when} is not taken for the end of the file`,
    async (t) => {
      const file = sampleFile(6 * MIB)
      const injection = injecting({ copy_file_range: `retval=0:when=${when}` }, [file.path])
      const { reported, collected } = await transferTo(t, 'file', place('file'), file, {}, injection)
      t.true(injection.injected() > 0)
      t.like(reported, { code: 'none', bytesSent: file.bytes.length, method: 'sendfile' })
      t.is(sha256(collected.bytes), sha256(file.bytes, TAIL))
    },
  )

  declareInjected(`a forced copy_file_range(2) that returns 0 in call ${when} rejects`, async (t) => {
    const file = sampleFile(6 * MIB)
    const injection = injecting({ copy_file_range: `retval=0:when=${when}` }, [file.path])
    const options = { method: 'copy_file_range' } as const
    const { reported } = await transferTo(t, 'file', place('file'), file, options, injection)
    t.is(reported.code, 'ERR_SENDFILE_UNSUPPORTED')
    t.true((reported.bytesSent ?? SIZE) < file.bytes.length)
  })
}
