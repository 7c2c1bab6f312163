// Files that change while they are sent: the length that was announced, or the end of the connection, and no open file.
import { once } from 'node:events'
import { appendFileSync, renameSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import test from 'ava'

import { serveStatic } from '../../http.ts'
import { Unanswered } from '../fixtures/http-client.ts'
import { get, remembered } from '../fixtures/remembered-site.ts'
import { sampleBytes } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { allClosed, folderOf, put, siteOf } from '../fixtures/site.ts'
import { until, within } from '../fixtures/within.ts'

const contents = sampleBytes(64 << 20)
const folder = folderOf({})

test.serial('a file that is truncated while it is sent ends the connection, and rejects', async (t) => {
  const path = put(`${folder}/cut.bin`, contents)
  const { port, ends } = await remembered(t, folder)
  const socket = get(port, '/cut.bin')
  await within(once(socket, 'data'), 'the first bytes')
  socket.pause()
  truncateSync(path, 1 << 20)
  const closed = within(once(socket, 'close'), 'the end of the connection')
  socket.resume()
  await closed
  await until(() => ends.length === 1, 'the rejection')
  t.is(Reflect.get(Object(ends[0]?.error), 'code'), 'ERR_SENDFILE_TRUNCATED')
  await allClosed(folder)
})

test.serial(
  'a file that has grown, or has been replaced or deleted since the open, is sent as it was opened (rows 23 and 24)',
  async (t) => {
    const change: Readonly<Record<string, (path: string) => void>> = {
      grown: (path) => appendFileSync(path, 'more'),
      replaced: (path) => {
        writeFileSync(`${path}.new`, 'other')
        renameSync(`${path}.new`, path)
      },
      deleted: (path) => unlinkSync(path),
    }
    for (const [name, act] of Object.entries(change)) {
      for (const size of [1000, 300_000]) {
        const path = put(`${folder}/${name}-${size}`, contents.subarray(0, size))
        const { ask } = await siteOf(t, serveStatic(folder, { headers: () => act(path) }))
        const { status, body, headers } = await ask(`/${name}-${size}`)
        t.deepEqual(
          [status, headers.get('content-length'), sha256(body)],
          [200, `${size}`, sha256(contents.subarray(0, size))],
        )
        // The connection is still in step.
        if (name === 'grown') t.is((await ask(`/${name}-${size}`)).body.length, size + 4)
      }
    }
    await allClosed(folder)
  },
)

test.serial(
  'a file that was cut since it was opened is never answered with a full length on a connection that stays open (row 23)',
  async (t) => {
    for (const [before, after] of [
      [30_000, 10_000],
      [30_000, 0],
      [300_000, 100_000],
    ] as const) {
      const path = put(`${folder}/shrunk-${before}-${after}`, contents.subarray(0, before))
      const { ask } = await siteOf(t, serveStatic(folder, { headers: () => truncateSync(path, after) }))
      const outcome = await ask(`/shrunk-${before}-${after}`).catch((error: unknown) => error)
      if (outcome instanceof Unanswered) t.true(outcome.partialBody.length <= before)
      else t.is(Reflect.get(Object(outcome), 'status'), 500)
    }
    await allClosed(folder)
  },
)
