// tracing:sendfile64.transfer:*: one context for each transfer of sendfile() and of piped streams.
import { AsyncLocalStorage } from 'node:async_hooks'
import { tracingChannel } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import test, { type ExecutionContext } from 'ava'

import { createReadStream, sendfile, type TransferContext } from '../../index.ts'
import { connectedPair } from '../fixtures/connected-pair.ts'
import { FALLBACK_CODES, IN_KERNEL, kernelSerial, METHOD } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { until, within } from '../fixtures/within.ts'

const SIZE = 5 << 20
const file = sampleFile(SIZE)
const channel = tracingChannel<unknown, TransferContext>('sendfile64.transfer')

const EVENTS = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'] as const

/** Records the events of one destination until the test ends. */
function subscribe(t: ExecutionContext, destination: unknown): { events: string[]; contexts: Set<TransferContext> } {
  const events: string[] = []
  const contexts = new Set<TransferContext>()
  for (const name of EVENTS) {
    const listener = (context: unknown): void => {
      if (!isContext(context) || context.destination !== destination) return
      events.push(name)
      contexts.add(context)
    }
    channel[name].subscribe(listener)
    t.teardown(() => void channel[name].unsubscribe(listener))
  }
  return { events, contexts }
}

function isContext(value: unknown): value is TransferContext {
  return typeof value === 'object' && value !== null && 'api' in value
}

test.serial('sendfile() is published as one transfer', async (t) => {
  const { near, received } = await connectedPair(t)
  const { events, contexts } = subscribe(t, near)
  await within(sendfile(near, file.path, { offset: 5, count: 100, end: true }), 'the transfer')
  await within(received.closed, 'the end of the connection')
  t.deepEqual(events, ['start', 'end', 'asyncStart', 'asyncEnd'])
  const [context, ...others] = contexts
  t.deepEqual(others, [])
  t.like(context, { api: 'sendfile', source: { path: file.path, offset: 5, count: 100 } })
  t.like(context?.result, { method: METHOD, bytesSent: 100 })
  t.deepEqual(
    context?.result?.fallbacks.map(({ code }) => code),
    [...FALLBACK_CODES],
  )
})

test.serial('a piped stream is published as one transfer, with any number of segments', async (t) => {
  const { near, received } = await connectedPair(t)
  const { events, contexts } = subscribe(t, near)
  const stream = createReadStream(file.path, { segment: 1 << 20, start: 10 })
  const over = IN_KERNEL ? once(stream, 'transfer') : undefined
  stream.pipe(near)
  await over
  await within(received.closed, 'the end of the connection')
  t.deepEqual(events, IN_KERNEL ? ['start', 'end', 'asyncStart', 'asyncEnd'] : [], 'streams of Node have no channel')
  if (!IN_KERNEL) return
  const [context, ...others] = contexts
  t.deepEqual(others, [])
  t.like(context, { api: 'pipe', source: { path: file.path, offset: 10 } })
  t.like(context?.result, { method: 'sendfile', bytesSent: SIZE - 10, fallbacks: [] })
})

kernelSerial('the failure of a stream is published as an error', async (t) => {
  const { near } = await connectedPair(t, { reading: false })
  const { events, contexts } = subscribe(t, near)
  const stream = createReadStream(sampleFile(32 << 20).path)
  stream.on('error', () => {})
  near.on('error', () => {})
  stream.pipe(near)
  await once(stream, 'open')
  stream.destroy(new Error('mine'))
  near.destroy()
  await until(() => events.includes('asyncEnd'), 'the end of the transfer')
  t.deepEqual(events, ['start', 'end', 'error', 'asyncStart', 'asyncEnd'])
  t.like([...contexts][0]?.error, { message: 'mine' })
})

test.serial('the failure of a call is published as an error', async (t) => {
  const { events } = subscribe(t, 'nowhere')
  const rejected: unknown = Reflect.apply(sendfile, undefined, ['nowhere', file.path])
  await t.throwsAsync(Promise.resolve(rejected), { code: 'ERR_INVALID_ARG_TYPE' })
  t.deepEqual(events, ['start', 'end', 'error', 'asyncStart', 'asyncEnd'])
})

kernelSerial('a store bound to the start channel applies to the events of the stream', async (t) => {
  const storage = new AsyncLocalStorage<string>()
  channel.start.bindStore(storage, () => 'bound')
  t.teardown(() => void channel.start.unbindStore(storage))
  const sink = new PassThrough().resume()
  const stream = createReadStream(file.path)
  const seen = new Promise((resolve) => {
    sink.on('pipe', () => resolve(storage.getStore()))
  })
  stream.pipe(sink)
  t.is(await seen, 'bound')
  t.is(storage.getStore(), undefined)
  await within(once(sink, 'end'), 'the end')
})
