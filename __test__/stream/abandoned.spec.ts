// `closeWithDestination`: a file whose only destination has closed is closed, and no other.
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'

import { createReadStream, type ReadStream } from '../../index.ts'
import { TYPESCRIPT } from '../fixtures/child-process.ts'
import { descriptorsOf } from '../fixtures/descriptors.ts'
import { kernelSerial } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { serve } from '../fixtures/servers.ts'
import { until, within } from '../fixtures/within.ts'

const SIZE = 32 << 20
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** A Writable that accepts one chunk and blocks. */
const slow = (): Writable => new Writable({ write() {} })

/** A stream that is being sent to `destination`. */
async function piped(
  t: ExecutionContext,
  destination: Writable,
  options = {},
): Promise<{ stream: ReadStream; path: string }> {
  const { path } = sampleFile(1 << 20)
  const stream = createReadStream(path, { closeWithDestination: true, ...options })
  t.teardown(() => void stream.destroy())
  stream.pipe(destination)
  await within(once(stream, 'open'), 'the file')
  await turn()
  t.is(descriptorsOf(path), 1)
  return { stream, path }
}

/** Closes a destination, and waits for its events. */
async function close(destination: Writable, error?: Error): Promise<void> {
  const closed = new Promise((resolve) => destination.once('close', resolve))
  destination.destroy(error)
  await within(closed, "'close'")
  for (let turns = 0; turns < 5; turns += 1) await turn()
}

for (const leave of ['destroy', 'resetAndDestroy'] as const) {
  kernelSerial(`clients that leave a response by ${leave} leave no open file`, async (t) => {
    const { path } = sampleFile(SIZE)
    const errors: unknown[] = []
    const { connect } = await serve(t, (_request, response) => {
      const stream = createReadStream(path, { closeWithDestination: true })
      stream.on('error', (error) => errors.push(error))
      stream.pipe(response)
    })
    for (let round = 0; round < 20; round += 1) {
      const { socket } = await connect()
      socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
      if (round % 2 === 0) await within(once(socket, 'data'), 'the first byte')
      socket[leave]()
    }
    await until(() => descriptorsOf(path) === 0, 'every file is closed')
    t.deepEqual(errors, [])
  })
}

kernelSerial('a queued response leaves no open file when its client disconnects', async (t) => {
  const { path } = sampleFile(SIZE)
  const streams: ReadStream[] = []
  const { connect } = await serve(t, (_request, response) => {
    const stream = createReadStream(path, { closeWithDestination: true })
    streams.push(stream)
    stream.pipe(response)
  })
  const { socket } = await connect()
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(3))
  await until(() => streams.length === 3, 'three requests')
  socket.destroy()
  await until(() => streams.every(({ closed }) => closed) && descriptorsOf(path) === 0, 'every file is closed')
  t.pass()
})

kernelSerial('a Writable that is destroyed, fails or is ended otherwise closes the file', async (t) => {
  for (const error of [undefined, new Error('failed')]) {
    const destination = slow().on('error', () => {})
    const { stream, path } = await piped(t, destination)
    await close(destination, error)
    t.true(stream.destroyed)
    await until(() => descriptorsOf(path) === 0, 'the file is closed')
  }
  const destination = new Writable({ write: (_chunk, _encoding, callback) => setImmediate(callback) })
  const { stream, path } = await piped(t, destination, { highWaterMark: 1024 })
  destination.on('error', () => {})
  destination.end()
  await until(() => stream.destroyed && descriptorsOf(path) === 0, 'the file is closed')
})

kernelSerial('a destination that was closed before the pipe closes the file', async (t) => {
  const destination = slow()
  await close(destination)
  const { path } = sampleFile(1 << 20)
  const stream = createReadStream(path, { closeWithDestination: true })
  stream.on('error', () => {})
  destination.on('error', () => {})
  stream.pipe(destination)
  await until(() => stream.closed && descriptorsOf(path) === 0, 'the file is closed')
  t.pass()
})

const kept: Readonly<Record<string, { options?: object; use?: (stream: ReadStream, destination: Writable) => void }>> =
  {
    'without the option': { options: { closeWithDestination: false } },
    'with autoClose: false': { options: { autoClose: false } },
    'with a second destination': { use: (stream) => void stream.pipe(slow()) },
    "with a 'data' listener": { use: (stream) => void stream.on('data', () => {}) },
    "with a 'readable' listener": { use: (stream) => void stream.on('readable', () => {}) },
    'after an unpipe': { use: (stream, destination) => void stream.unpipe(destination) },
    'that is piped elsewhere when the first destination closes': {
      use: (stream, destination) => void destination.once('close', () => stream.pipe(slow())),
    },
  }

for (const [name, { options, use }] of Object.entries(kept)) {
  test.serial(`a stream ${name} stays open when its destination closes`, async (t) => {
    const destination = slow()
    const { stream, path } = await piped(t, destination, options)
    use?.(stream, destination)
    await close(destination)
    t.false(stream.destroyed)
    t.is(descriptorsOf(path), 1)
  })
}

test.serial('pipeline() destroys and reports as without the option', async (t) => {
  const outcome = async (closeWithDestination: boolean): Promise<unknown[]> => {
    const { path } = sampleFile(1 << 20)
    const stream = createReadStream(path, { closeWithDestination })
    const seen: unknown[] = []
    for (const event of ['end', 'error', 'close']) stream.on(event, () => seen.push(event))
    const destination = slow()
    const done = pipeline(stream, destination).then(
      () => seen.push('done'),
      (error: unknown) => seen.push(Object(error).code),
    )
    await within(once(stream, 'open'), 'the file')
    destination.destroy()
    await within(done, 'pipeline()')
    await until(() => stream.closed && descriptorsOf(path) === 0, 'the file is closed')
    return seen
  }
  t.deepEqual(await outcome(true), await outcome(false))
})

test.serial('a destination to which many streams were piped keeps none of their listeners', async (t) => {
  const destination = new Writable({ write: (_chunk, _encoding, callback) => callback() })
  for (let round = 0; round < 3; round += 1) {
    const stream = createReadStream(sampleFile(1000).path, { closeWithDestination: true })
    stream.pipe(destination, { end: false })
    await within(once(stream, 'close'), "'close'")
  }
  t.deepEqual([destination.listenerCount('close'), destination.listenerCount('finish')], [0, 0])
})

kernelSerial('closeWithDestination must be a boolean', (t) => {
  t.throws(() => createReadStream('/dev/null', { closeWithDestination: 1 as never }), { code: 'ERR_INVALID_ARG_TYPE' })
})

kernelSerial('SENDFILE64_CLOSE_ABANDONED=1 sets closeWithDestination for the process', async (t) => {
  const script = `
    const { createReadStream } = await import(${JSON.stringify(new URL('../../index.ts', import.meta.url).href)})
    const { Writable } = await import('node:stream')
    const destination = new Writable({ write() {} })
    const stream = createReadStream(process.execPath).on('close', () => console.log('closed'))
    stream.pipe(destination)
    stream.on('open', () => destination.destroy())
    setTimeout(() => stream.destroyed || console.log('left'), 1000)`
  const run = async (value: string): Promise<string> => {
    const env = { ...process.env, SENDFILE64_CLOSE_ABANDONED: value }
    const flags = [TYPESCRIPT, '--input-type=module', '-e', script]
    return (await promisify(execFile)(process.execPath, flags, { env })).stdout.trim()
  }
  t.deepEqual(await Promise.all([run('1'), run('')]), ['closed', 'left'])
})
