// libuv has four threads for files and names: the package must not wait in them for a writer of a FIFO.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import test from 'ava'

import { run } from '../fixtures/child-process.ts'
import { sampleDirectory, sampleFile } from '../fixtures/sample-file.ts'

const SIZE = 1 << 20
const FIFOS = 8
const file = sampleFile(SIZE)

test.serial('FIFOs without writers delay no other transfer, and their transfers can be aborted', async (t) => {
  const fifos = Array.from({ length: FIFOS }, (_, index) => join(sampleDirectory(), `waiting-${index}`))
  execFileSync('mkfifo', fifos)
  const { code, signal, stdout, stderr } = await run(t, 'waiting-fifos.ts', [file.path, ...fifos]).exit
  t.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' })
  const { events, left }: { events: string[]; left: number } = JSON.parse(stdout)
  t.deepEqual(events.slice(0, 3).toSorted(), [`file ${SIZE}`, 'lookup true', `stat ${SIZE}`])
  const aborted = `FIFO ${JSON.stringify({ code: 'ABORT_ERR', bytesSent: 0, offset: 0 })}`
  t.deepEqual(
    events.slice(3),
    Array.from({ length: FIFOS }, () => aborted),
  )
  t.is(left, 0)
})
