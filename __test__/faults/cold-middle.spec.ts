// A file of which only the first and the last pages of each part are in memory: only the threads of the disk pool wait
// for the disk. cachestat(2) is refused to a user who neither owns a file nor may write to it (mm/filemap.c).
import { spawnSync } from 'node:child_process'
import { chmodSync, closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'

import { evict } from '../fixtures/cold-file.ts'
import { kernelSerial } from '../fixtures/executor.ts'
import { sampleDirectory, sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { place, TAIL, transferTo } from './runner.ts'

const SIZE = 16 << 20
const PIECE = 256 << 10
const PAGE = 4096
const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
const file = sampleFile(SIZE)

/** Leaves the ends of every part in memory. */
function makeMiddlesCold(): void {
  evict(file.path)
  const fd = openSync(file.path, 'r')
  const page = Buffer.alloc(PAGE)
  for (let end = PIECE; end <= SIZE; end += PIECE) {
    readSync(fd, page, 0, PAGE, end - PIECE)
    readSync(fd, page, 0, PAGE, end - PAGE)
  }
  closeSync(fd)
}

function whyNotHere(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can become another user'
  if (spawnSync('strace', ['-Y', '-qq', '-o', '/dev/null', ...asNobody, 'true']).status !== 0)
    return 'strace -Y and setpriv do not work here'
  makeMiddlesCold()
  const { stdout } = spawnSync('fincore', ['-n', '-b', '-o', 'res', file.path], { encoding: 'utf8' })
  return Number(stdout) > 0 && Number(stdout) < SIZE / 4 ? undefined : 'the filesystem keeps every page in memory'
}

const obstacle = whyNotHere()
const declare = obstacle === undefined ? kernelSerial : test.serial.skip
if (obstacle !== undefined) console.log(`cold middle: skipped: ${obstacle}`)

/** How many bytes are sent by threads that may wait for a disk. */
async function movedByCold(t: ExecutionContext, inside: readonly string[]): Promise<number> {
  const log = join(sampleDirectory(), 'cold-middle.strace')
  const command = ['strace', '-f', '-Y', '-qq', '-o', log, '-e', 'trace=sendfile', ...inside]
  const kind = 'TCP socket'
  const { reported, collected } = await transferTo(t, kind, place(kind), file, { method: 'sendfile' }, { command })
  t.is(reported.code, 'none')
  t.is(sha256(collected.bytes), sha256(file.bytes, TAIL))
  const lines = readFileSync(log, 'latin1').split('\n')
  const counts = lines.map((line) => (line.includes('<sendfile64-disk') ? /\) += (\d+)$/.exec(line)?.[1] : '0'))
  return counts.reduce((sum, count) => sum + Number(count ?? 0), 0)
}

for (const [user, inside] of [
  ['its owner', []],
  ['another user', asNobody],
] as const) {
  declare(`${user} sends a file with a cold middle by the threads that may wait for the disk`, async (t) => {
    chmodSync(sampleDirectory(), 0o755)
    makeMiddlesCold()
    // Pages read ahead in the meantime are sent by the other threads.
    t.true((await movedByCold(t, inside)) > 0)
  })
}
