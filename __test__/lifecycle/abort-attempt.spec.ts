// An attempt cannot be interrupted: an abort takes effect between two attempts, so each must be short.
import { randomUUID } from 'node:crypto'
import { open } from 'node:fs/promises'
import { statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { sendfile } from '../../index.ts'
import { endingOf } from '../fixtures/ending.ts'
import { canForce, kernelSerial } from '../fixtures/executor.ts'
import { sampleDirectory } from '../fixtures/sample-file.ts'
import { within } from '../fixtures/within.ts'

/** The maximum that one call moves. */
const MOST = 0x7fff_f000

for (const method of ['auto', 'sendfile', 'copy_file_range'] as const) {
  if (!canForce(method)) continue
  kernelSerial(`an abort ends a copy by ${method} within a large quantum`, async (t) => {
    const source = join(sampleDirectory(), randomUUID())
    writeFileSync(source, '')
    truncateSync(source, MOST)
    const target = join(sampleDirectory(), randomUUID())
    const handle = await open(target, 'w')
    t.teardown(async () => {
      await handle.close()
      truncateSync(target, 0)
    })
    const abort = new AbortController()
    const onProgress = (): void => abort.abort()
    const options = { method, quantum: MOST, signal: abort.signal, onProgress, progressInterval: 1 }
    const ending = await within(endingOf(sendfile(handle, source, options)), 'the end of the transfer')
    t.is(ending.code, 'ABORT_ERR')
    t.true((ending.bytesSent ?? MOST) < MOST / 4, `${ending.bytesSent} bytes`)
    t.is(statSync(target).size, ending.bytesSent)
  })
}
