// A segment that JavaScript copies under its marker, because the process has no descriptor left for the kernel
// executor.
import test from 'ava'

import { run } from '../fixtures/child-process.ts'
import type { Ask, Reported } from '../fixtures/children/failed-last-chunk.ts'
import type { Scope } from '../fixtures/connected-pair.ts'
import { kernelTest } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'

/** Less than one chunk, and more than the buffer of a unix socket holds. */
const file = sampleFile(256_000)
const SIZE = file.bytes.length

async function send(t: Scope, ask: Omit<Ask, 'path'>): Promise<Reported> {
  const whole: Ask = { path: file.path, ...ask }
  const { stdout, stderr } = await run(t, 'failed-last-chunk.ts', [JSON.stringify(whole)], { openFiles: 128 }).exit
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout)
}

for (const ends of ['peer', 'owner'] as const) {
  kernelTest(`sendfile() rejects when its last chunk fails because the ${ends} ends the connection`, async (t) => {
    t.timeout(60_000)
    const { code, bytesSent } = await send(t, { by: 'sendfile', ends })
    t.regex(code, ends === 'peer' ? /^(?:EPIPE|ECONNRESET)$/ : /^ERR_SENDFILE_DESTINATION$/)
    t.true(bytesSent < SIZE, `${bytesSent}`)
  })

  kernelTest(`a stream does not count its last chunk when the ${ends} ends the connection`, async (t) => {
    t.timeout(60_000)
    const { code, bytesSent } = await send(t, { by: 'stream', ends })
    t.is(code, 'destroyed')
    t.true(bytesSent < SIZE, `${bytesSent}`)
  })
}

for (const by of ['sendfile', 'stream'] as const) {
  kernelTest(`${by}: a socket is not handed over during a copy and receives every byte`, async (t) => {
    t.timeout(60_000)
    const { code, bytesSent, handedOver } = await send(t, { by, ends: 'nobody' })
    t.is(handedOver, 'ERR_SENDFILE_BUSY')
    t.deepEqual({ code, bytesSent }, { code: by === 'stream' ? 'complete' : 'resolved', bytesSent: SIZE })
  })
}

test('the file is one chunk', (t) => {
  t.true(SIZE < 256 * 1024 && SIZE > 208 * 1024)
})
