// Multipath TCP: sockets behave like those of TCP, but TCP_INFO describes the first subflow.
import test from 'ava'

import { kernelSerial } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { multipath, multipathIsThere } from './compiled.ts'
import { place, TAIL, transferTo } from './runner.ts'

const file = sampleFile(3_000_017)
const small = sampleFile(1000)
const declare = multipathIsThere ? kernelSerial : test.serial.skip

for (const source of [file, small]) {
  declare(`${source.bytes.length} bytes are queued for Multipath TCP as for TCP`, async (t) => {
    const kind = 'TCP socket'
    const { reported, collected } = await transferTo(t, kind, place(kind), source, { until: 'queued' }, multipath())
    t.is(reported.code, 'none')
    t.is(reported.method, 'sendfile')
    t.is(sha256(collected.bytes), sha256(Buffer.concat([source.bytes, TAIL])))
  })

  declare(
    `${source.bytes.length} bytes with until: 'acknowledged' are refused over Multipath TCP before any byte is sent`,
    async (t) => {
      const kind = 'TCP socket'
      const options = { until: 'acknowledged', headers: undefined } as const
      const { reported, collected } = await transferTo(t, kind, place(kind), source, options, multipath())
      t.is(reported.code, 'ERR_SENDFILE_UNSUPPORTED')
      t.is(reported.cause, 'EPROTONOSUPPORT')
      t.is(reported.bytesSent, 0)
      t.is(sha256(collected.bytes), sha256(TAIL))
    },
  )
}
