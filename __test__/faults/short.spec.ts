// "sendfile() may write fewer bytes than requested": every call may, at any time.
import test from 'ava'

import { FALLBACK_CODES, IN_KERNEL, serialBy } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { compilerIsThere, shortening } from './compiled.ts'
import { type Destination, place, TAIL, transferTo } from './runner.ts'

const file = sampleFile(500_009)
/** In bytes: a prime, so that no count ends at a page or a quantum. */
const MOST = 4099

const METHODS: readonly (readonly [Destination, readonly ('auto' | 'sendfile' | 'splice' | 'copy')[]])[] = [
  ['TCP socket', ['sendfile', 'splice', 'copy']],
  ['response with Content-Length', ['sendfile', 'splice', 'copy']],
  ['chunked response', ['sendfile', 'splice', 'copy']],
  ['FIFO', ['sendfile', 'splice', 'copy']],
  ['file', ['auto', 'sendfile', 'copy']],
]

for (const [destination, methods] of METHODS) {
  for (const method of methods) {
    const declare = compilerIsThere ? serialBy(method) : test.serial.skip
    declare(`${destination}, ${method}: no call moves more than ${MOST} bytes`, async (t) => {
      const path = place(destination)
      const { reported, collected } = await transferTo(t, destination, path, file, { method }, shortening(MOST))
      t.like(reported, { code: 'none', bytesSent: file.bytes.length, offset: file.bytes.length })
      t.is(reported.fallbacks?.length, method === 'auto' ? FALLBACK_CODES.length : 0)
      t.true(
        (reported.syscalls ?? 0) >= (IN_KERNEL ? file.bytes.length / MOST : 0),
        `${reported.syscalls} system calls`,
      )
      const tail = destination.includes('response') ? [] : [TAIL]
      t.is(sha256(collected.bytes), sha256(file.bytes, ...tail))
    })
  }
}
