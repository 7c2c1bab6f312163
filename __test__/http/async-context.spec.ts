// The store of an AsyncLocalStorage belongs to the request; events of the engine's threads must not lose it.
import { AsyncLocalStorage } from 'node:async_hooks'
import { createReadStream } from 'node:fs'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { finished } from 'node:stream/promises'
import test, { type ExecutionContext } from 'ava'

import { sendfile } from '../../index.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { serve } from '../fixtures/servers.ts'
import { sha256 } from '../fixtures/sha256.ts'

/** More than one quantum, so that the end is reported by another thread. */
const file = sampleFile(12 << 20)

type Send = (response: ServerResponse) => Promise<unknown>

const stock: Send = (response) => finished(createReadStream(file.path).pipe(response))
const ours: Send = (response) => sendfile(response, file.path, { end: true })

/** Concurrent requests on several connections, each with its own store: which store is current where. */
async function storesSeen(t: ExecutionContext, send: Send): Promise<string[]> {
  const storage = new AsyncLocalStorage<string>()
  const seen: string[] = []
  const { connect, answered } = await serve(t, (request, response) =>
    storage.run(`store of ${request.url}`, async () => {
      const see = (where: string): void => {
        seen.push(`${request.url} ${where}: ${storage.getStore()}`)
      }
      const closed = once(response, 'close')
      response.setHeader('Content-Length', file.bytes.length)
      for (const event of ['prefinish', 'finish', 'close']) response.on(event, () => see(event))
      request.on('close', () => see('request close'))
      await send(response)
      see('after await')
      setImmediate(() => see('in a later turn'))
      await closed
    }),
  )
  await Promise.all(
    ['/a', '/b', '/c'].map(async (lane) => {
      const client = await connect()
      for (const path of [`${lane}1`, `${lane}2`]) {
        t.is(sha256((await client.request(path)).body), sha256(file.bytes))
      }
    }),
  )
  await answered()
  await new Promise(setImmediate)
  return seen.toSorted()
}

test('the stores after the call and in every event equal those of a stock stream', async (t) => {
  const expected = await storesSeen(t, stock)
  t.is(expected.length, 6 * 6)
  t.true(expected.includes('/c2 finish: store of /c2'))
  t.deepEqual(await storesSeen(t, ours), expected)
})

test('callbacks of writes after the file run in the store of their caller', async (t) => {
  const storage = new AsyncLocalStorage<string>()
  const seen: (string | undefined)[] = []
  const { connect, answered } = await serve(t, async (_, response) => {
    const done = once(response, 'finish')
    const sent = storage.run('transfer', () => sendfile(response, file.path))
    storage.run('writer', () => response.write('tail', () => seen.push(storage.getStore())))
    storage.run('ender', () => response.end(() => seen.push(storage.getStore())))
    await storage.run('waiter', async () => {
      await sent
      seen.push(storage.getStore())
    })
    await done
  })
  const { body } = await (await connect()).request('/')
  t.is(sha256(body), sha256(file.bytes, Buffer.from('tail')))
  await answered()
  t.deepEqual(new Set(seen.toSorted()), new Set([...(await stockStores(t))].toSorted()))
})

/** The stores of the same calls with a large ordinary write instead of the file. */
async function stockStores(t: ExecutionContext): Promise<Set<string | undefined>> {
  const storage = new AsyncLocalStorage<string>()
  const seen = new Set<string | undefined>()
  const { connect, answered } = await serve(t, async (_, response) => {
    const done = once(response, 'finish')
    const sent = new Promise((resolve) => {
      storage.run('transfer', () => response.write(file.bytes, resolve))
    })
    storage.run('writer', () => response.write('tail', () => seen.add(storage.getStore())))
    storage.run('ender', () => response.end(() => seen.add(storage.getStore())))
    await storage.run('waiter', async () => {
      await sent
      seen.add(storage.getStore())
    })
    await done
  })
  t.is((await (await connect()).request('/')).body.length, file.bytes.length + 4)
  await answered()
  return seen
}
