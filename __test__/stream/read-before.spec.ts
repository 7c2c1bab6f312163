// A stream that was read before it is piped, or whose destination is busy: its buffer is copied, the transfer reports
// it, and the kernel sends the rest.
import { readFileSync } from 'node:fs'
import http from 'node:http'
import { PassThrough } from 'node:stream'
import type { ExecutionContext } from 'ava'

import { createReadStream, type ReadStream, sendfile, type StreamTransfer } from '../../index.ts'
import { collect } from '../fixtures/collect.ts'
import { kernelTest } from '../fixtures/executor.ts'
import { sampleFile, type SampleFile } from '../fixtures/sample-file.ts'
import { serve } from '../fixtures/servers.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { within } from '../fixtures/within.ts'

/** Fits into the buffer of a stream as a whole. */
const small = sampleFile(1000)
const large = sampleFile(5 << 20)
/** Of unknown size: JavaScript copies it, and holds the destination during that time. */
const UNSIZED = '/proc/version'

/** Pipes in its own way. */
type Piping = (source: ReadStream, response: http.ServerResponse) => void

const WAYS: Readonly<Record<string, Piping>> = {
  "after its first 'readable'": (source, response) => {
    source.once('readable', () => source.pipe(response))
  },
  'while a first read goes on': (source, response) => {
    // within 'ready', a stream does not read yet
    source.once('ready', () => {
      process.nextTick(() => {
        source.read(0)
        source.pipe(response)
      })
    })
  },
  'after resume() and pause()': (source, response) => {
    source.resume()
    source.pause()
    filled(source, () => source.pipe(response))
  },
  'a second time': (source, response) => {
    source.pipe(response)
    source.unpipe(response)
    filled(source, () => source.pipe(response))
  },
}

/** Calls back once a read has filled the stream's buffer. */
function filled(source: ReadStream, then: () => void): void {
  if (source.readableLength > 0) then()
  else setImmediate(filled, source, then)
}

/** Serves a file; returns the body and the last transfer. */
async function serveOnce(
  t: ExecutionContext,
  file: SampleFile,
  pipe: Piping,
): Promise<{ body: Buffer; transfer: StreamTransfer }> {
  let source: ReadStream | undefined
  const { port } = await serve(t, (_, response) => {
    source = createReadStream(file.path)
    pipe(source, response)
  })
  const body = await new Promise<Buffer>((resolve, reject) => {
    http
      .get({ port, agent: false }, (answer) => void collect(answer).then(({ bytes }) => resolve(bytes), reject))
      .on('error', reject)
  })
  if (source?.transfer === undefined) throw new Error('a stream without a transfer')
  return { body, transfer: source.transfer }
}

for (const [name, pipe] of Object.entries(WAYS)) {
  kernelTest(`piped ${name}: a file that is already in the buffer is copied, and fallbacks reports it`, async (t) => {
    const { body, transfer } = await within(serveOnce(t, small, pipe), 'the answer')
    t.is(sha256(body), sha256(small.bytes))
    t.like(transfer, {
      method: 'copy',
      bytesSent: small.bytes.length,
      fallbacks: [{ from: 'sendfile', to: 'copy', code: 'FOREIGN' }],
    })
    t.regex(transfer.fallbacks[0]?.reason ?? '', /read from before/)
  })

  kernelTest(`piped ${name}: the kernel sends the bytes after the buffer`, async (t) => {
    const { body, transfer } = await within(serveOnce(t, large, pipe), 'the answer')
    t.is(sha256(body), sha256(large.bytes))
    t.like(transfer, { method: 'sendfile', bytesSent: large.bytes.length })
    t.deepEqual(
      transfer.fallbacks.map(({ code }) => code),
      ['FOREIGN'],
    )
  })
}

for (const [size, file] of Object.entries({ small, large })) {
  kernelTest(`a ${size} file piped behind a transfer by JavaScript arrives in order`, async (t) => {
    let sent: Promise<unknown> | undefined
    const { body, transfer } = await within(
      serveOnce(t, file, (source, response) => {
        sent = sendfile(response, UNSIZED, { end: false })
        source.pipe(response)
      }),
      'the answer',
    )
    await sent
    t.is(sha256(body), sha256(Buffer.concat([readFileSync(UNSIZED), file.bytes])))
    t.like(transfer, { method: size === 'small' ? 'copy' : 'sendfile', bytesSent: file.bytes.length })
    t.regex(
      transfer.fallbacks[0]?.reason ?? '',
      size === 'small' ? /up to 64 KiB/ : /another transfer to the destination/,
    )
  })
}

kernelTest('a forced method has no fallbacks for any destination', async (t) => {
  const source = createReadStream(small.path, { method: 'copy' })
  const { bytes } = await within(collect(source.pipe(new PassThrough())), 'the bytes')
  t.is(sha256(bytes), sha256(small.bytes))
  t.like(source.transfer, { method: 'copy', bytesSent: small.bytes.length, fallbacks: [] })
})
