// The requests of one attempt and the calls after a short count, observed by strace(1).
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'

import type { SendfileOptions } from '../../index.ts'
import { kernelSerial } from '../fixtures/executor.ts'
import { sampleDirectory, sampleFile, type SampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { type Destination, place, straceWorks, TAIL, transferTo } from './runner.ts'

const declare = straceWorks ? kernelSerial : test.serial.skip
const MIB = 1 << 20
let logs = 0

/** The code of a transfer, and the lines of `calls` that it made. */
async function traced(
  t: ExecutionContext,
  kind: Destination,
  file: SampleFile,
  options: SendfileOptions,
  calls: string,
  ...more: readonly string[]
): Promise<{ code: string; lines: readonly string[]; bytes: Buffer }> {
  const log = join(sampleDirectory(), `attempts-${(logs += 1)}.strace`)
  const command = ['strace', '-f', '-qq', '--seccomp-bpf', '-o', log, '-e', `trace=${calls}`, ...more]
  const { reported, collected } = await transferTo(t, kind, place(kind), file, options, { command })
  return { code: reported.code, lines: readFileSync(log, 'latin1').split('\n'), bytes: collected.bytes }
}

const small = sampleFile(700)
const UNCORKED = /TCP_CORK, \[0\]/

// Up to Linux 6.4, sendfile(2) holds back the end of a file if more was requested (see Pair::uncork).
for (const count of [small.bytes.length + 5000, 100_000]) {
  declare(`the last bytes of a file shorter than the count of ${count} are not held back`, async (t) => {
    const { code, lines, bytes } = await traced(t, 'TCP socket', small, { count }, 'setsockopt,sendfile')
    t.is(code, 'ERR_SENDFILE_TRUNCATED')
    t.is(sha256(bytes), sha256(Buffer.concat([small.bytes, TAIL])))
    t.is(lines.filter((line) => UNCORKED.test(line)).length, 1)
  })
}

declare('no sendfile(2) requests more than the known size of the file, so that no byte is held back', async (t) => {
  const { code, lines } = await traced(t, 'TCP socket', small, {}, 'setsockopt,sendfile')
  t.is(code, 'none')
  t.deepEqual(
    lines.filter((line) => /sendfile/.test(line)).map((line) => Number(/(\d+)\) += /.exec(line)?.[1])),
    [small.bytes.length],
  )
  t.false(lines.some((line) => UNCORKED.test(line)))
})

declare('a destination that is not a socket is not flushed', async (t) => {
  for (const kind of ['file', 'FIFO'] as const) {
    const { code, lines } = await traced(t, kind, small, { count: 5000, method: 'sendfile' }, 'setsockopt,sendfile')
    t.is(code, 'ERR_SENDFILE_TRUNCATED')
    t.false(lines.some((line) => UNCORKED.test(line)))
  }
})

declare('an attempt on a slow source is smaller than the quantum', async (t) => {
  const file = sampleFile(3 * MIB)
  const slow = ['-e', 'inject=copy_file_range:delay_exit=200000:when=1', '-P', file.path]
  const options = { quantum: 0x7fff_f000 }
  const { code, lines, bytes } = await traced(t, 'file', file, options, 'copy_file_range', ...slow)
  t.is(code, 'none')
  t.is(sha256(bytes), sha256(Buffer.concat([file.bytes, TAIL])))
  const asked = lines.flatMap((line) => /, (\d+), 0\) += /.exec(line)?.[1] ?? []).map(Number)
  t.is(asked[0], MIB)
  t.true((asked[1] ?? MIB) <= MIB / 2, `${asked}`)
  t.true(
    asked.every((count) => count <= 4 * MIB),
    `${asked}`,
  )
})
