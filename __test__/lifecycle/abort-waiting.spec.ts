// Aborts while a transfer waits for its file to be opened or in a long queue.
import { getEventListeners } from 'node:events'
import fs from 'node:fs'
import test from 'ava'

import { sendfile } from '../../index.ts'
import { connectedPair } from '../fixtures/connected-pair.ts'
import { countDescriptors, descriptorsSettleAt } from '../fixtures/descriptors.ts'
import { endingOf } from '../fixtures/ending.ts'
import { sampleBytes, sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { warmEngine } from '../fixtures/warm-engine.ts'
import { within } from '../fixtures/within.ts'

const file = sampleFile(1 << 20)
const TAIL = Buffer.from('what comes after')
const QUEUED = 50

test.before(warmEngine)

for (const way of ['AbortSignal', 'destroy()', 'RST of the client'] as const) {
  test.serial(`${way} while the file is being opened`, async (t) => {
    const descriptors = countDescriptors()
    const { near, far, received, close } = await connectedPair(t)
    const { open } = fs
    let goOn = (): unknown => undefined
    const opened = new Promise<void>((resolve) => {
      Reflect.set(fs, 'open', (...args: unknown[]) => {
        const callback = args.pop()
        const tell = (...answer: unknown[]): void => {
          if (typeof callback === 'function') Reflect.apply(callback, undefined, answer)
          resolve()
        }
        goOn = () => Reflect.apply(open, fs, [...args, tell])
      })
    })
    t.teardown(() => void Reflect.set(fs, 'open', open))
    const abort = new AbortController()
    const ending = endingOf(sendfile(near, file.path, { signal: abort.signal }))
    Reflect.set(fs, 'open', open)
    if (way === 'AbortSignal') abort.abort()
    else if (way === 'destroy()') near.destroy()
    else far.resetAndDestroy()
    const { code, bytesSent } = await ending
    t.true(
      {
        AbortSignal: ['ABORT_ERR'],
        'destroy()': ['ERR_SENDFILE_DESTINATION'],
        'RST of the client': ['ECONNRESET', 'EPIPE'],
      }[way].includes(code ?? 'none'),
      `ended with ${code}`,
    )
    t.is(bytesSent, 0)
    if (way === 'AbortSignal') near.end(TAIL)
    goOn()
    await opened
    await within(received.closed, 'the end of the connection')
    t.is(received.bytes.toString('latin1'), way === 'AbortSignal' ? TAIL.toString('latin1') : '')
    close()
    t.is(await descriptorsSettleAt(descriptors), descriptors, 'the file that came too late is closed')
  })
}

test.serial(`one signal aborts ${QUEUED} transfers to one socket without a warning`, async (t) => {
  const warnings: Error[] = []
  const note = (warning: Error): number => warnings.push(warning)
  process.on('warning', note)
  t.teardown(() => process.off('warning', note))
  const descriptors = countDescriptors()
  const { near, far, received, close } = await connectedPair(t, { reading: false })
  const head = sampleBytes(8 << 20, 2)
  near.write(head)
  const abort = new AbortController()
  const endings = Array.from({ length: QUEUED }, () => {
    const ending = endingOf(sendfile(near, file.path, { signal: abort.signal }))
    near.write('.')
    return ending
  })
  abort.abort()
  for (const ending of await Promise.all(endings)) t.deepEqual(ending, { code: 'ABORT_ERR', bytesSent: 0, offset: 0 })
  t.is(getEventListeners(abort.signal, 'abort').length, 0)
  far.resume()
  near.end(TAIL)
  await within(received.closed, 'the end of the connection')
  t.is(sha256(received.bytes), sha256(head, Buffer.alloc(QUEUED, '.'), TAIL))
  t.deepEqual(warnings, [])
  close()
  t.is(await descriptorsSettleAt(descriptors), descriptors)
})
