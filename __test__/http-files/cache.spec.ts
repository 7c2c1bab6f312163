// The option `cache`: a file that is kept open is sent as it is now, or opened again.
import {
  appendFileSync,
  linkSync,
  readFileSync,
  renameSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import test from 'ava'

import { serveFile, serveStatic } from '../../http.ts'
import { kernelSerial } from '../fixtures/executor.ts'
import { sampleBytes } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { allClosed, folderOf, openBelow, put, siteOf } from '../fixtures/site.ts'
import { until } from '../fixtures/within.ts'

const LONG = 3_600_000

/** Waits until files that were written before have rested for long enough to be cached with their bytes. */
async function rested(): Promise<void> {
  const startedAt = Date.now()
  await until(() => Date.now() - startedAt > 1050, 'a second has passed')
}

kernelSerial('a file is opened once, and closed after maxAge', async (t) => {
  const folder = folderOf({ 'a.txt': 'a', 'large.bin': sampleBytes(300_000) })
  const { ask } = await siteOf(t, serveStatic(folder, { cache: { maxAge: 1500 } }))
  for (let round = 0; round < 5; round += 1) {
    t.is((await ask('/a.txt')).body.toString(), 'a')
    t.is(sha256((await ask('/large.bin')).body), sha256(sampleBytes(300_000)))
  }
  // The duplicate of the last transfer is closed a moment after the client has the last byte.
  const open = `${folder}/a.txt ${folder}/large.bin`
  await until(() => openBelow(folder).toSorted().join(' ') === open, 'each file is open once')
  await allClosed(folder)
  t.is((await ask('/a.txt')).status, 200)
})

kernelSerial('at most `entries` files are open, also while they are sent', async (t) => {
  const names = Array.from({ length: 20 }, (_, index) => `file-${index}`)
  const folder = folderOf(Object.fromEntries(names.map((name) => [name, name])))
  const { ask } = await siteOf(t, serveStatic(folder, { cache: { entries: 3, maxAge: LONG } }))
  const answers = await Promise.all([...names, ...names].map((name) => ask(`/${name}`)))
  t.deepEqual(
    answers.map(({ body }) => body.toString()),
    [...names, ...names],
  )
  await until(() => openBelow(folder).length <= 3, 'three open files')
})

test('what happens to a file is seen by the next request, whatever its size', async (t) => {
  const changes: Readonly<Record<string, (path: string) => void>> = {
    grown: (path) => appendFileSync(path, 'more'),
    cut: (path) => truncateSync(path, 10),
    emptied: (path) => truncateSync(path, 0),
    'rewritten with another size': (path) => writeFileSync(path, 'another'),
    'replaced by a rename': (path) => {
      writeFileSync(`${path}.new`, 'renamed')
      renameSync(`${path}.new`, path)
    },
    'deleted and written again': (path) => {
      unlinkSync(path)
      writeFileSync(path, 'again')
    },
  }
  for (const size of [100, 300_000]) {
    const folder = folderOf({})
    const names = Object.keys(changes)
    for (const name of names) put(`${folder}/${name}`, sampleBytes(size))
    await rested()
    const { ask } = await siteOf(t, serveStatic(folder, { cache: { maxAge: LONG } }))
    for (const name of names) {
      const target = `/${encodeURIComponent(name)}`
      const path = `${folder}/${name}`
      for (let round = 0; round < 3; round += 1) t.is(sha256((await ask(target)).body), sha256(sampleBytes(size)))
      changes[name]?.(path)
      const { status, body, headers } = await ask(target)
      const now = readFileSync(path)
      t.deepEqual(
        [status, headers.get('content-length'), sha256(body)],
        [200, `${now.length}`, sha256(now)],
        `${name}, ${size}`,
      )
      unlinkSync(path)
      t.is((await ask(target)).status, 404, name)
    }
    await allClosed(folder)
  }
})

test('a file rewritten with the same size and times is not sent from memory', async (t) => {
  const folder = folderOf({ 'a.txt': 'aaaa' })
  utimesSync(`${folder}/a.txt`, 1e9, 1e9)
  await rested()
  const { ask } = await siteOf(t, serveStatic(folder, { cache: { maxAge: LONG } }))
  for (let round = 0; round < 3; round += 1) t.is((await ask('/a.txt')).body.toString(), 'aaaa')
  writeFileSync(`${folder}/a.txt`, 'bbbb')
  utimesSync(`${folder}/a.txt`, 1e9, 1e9)
  t.is((await ask('/a.txt')).body.toString(), 'bbbb')
  writeFileSync(`${folder}/a.txt`, 'cccc')
  t.is((await ask('/a.txt')).body.toString(), 'cccc')
})

test('a file that keeps another name is opened again after maxAge', async (t) => {
  const folder = folderOf({ 'a.txt': 'first' })
  linkSync(`${folder}/a.txt`, `${folder}/b.txt`)
  const { ask } = await siteOf(t, serveStatic(folder, { cache: { maxAge: 100 } }))
  t.is((await ask('/a.txt')).body.toString(), 'first')
  writeFileSync(`${folder}/next`, 'second')
  renameSync(`${folder}/next`, `${folder}/a.txt`)
  const startedAt = Date.now()
  await until(() => Date.now() - startedAt > 110, 'maxAge')
  t.is((await ask('/a.txt')).body.toString(), 'second')
  await allClosed(folder)
})

test('ranges and conditions are those of the current file; one cache serves several rules', async (t) => {
  const outside = folderOf({ 'a.txt': 'outside' })
  const folder = folderOf({ 'a.txt': '0123456789' })
  symlinkSync(`${outside}/a.txt`, `${folder}/link`)
  await rested()
  const cache = { maxAge: 500 }
  const follow = await siteOf(t, serveStatic(folder, { cache, symlinks: 'follow' }))
  const strict = await siteOf(t, (req, res) => serveFile(req, res, (req.url ?? '').slice(1), { root: folder, cache }))
  for (let round = 0; round < 3; round += 1) {
    t.is((await follow.ask('/link')).body.toString(), 'outside')
    t.is((await strict.ask('/link')).status, 404)
    t.is((await strict.ask('/a.txt', { headers: { range: 'bytes=2-4' } })).body.toString(), '234')
    t.is((await strict.ask('/a.txt')).body.toString(), '0123456789')
    t.is((await strict.ask('/a.txt', { headers: { 'if-none-match': '*' } })).status, 304)
  }
  await allClosed(folder)
  await allClosed(outside)
})

test('a file that is rewritten within a tick of the clock of the kernel is not sent from memory', async (t) => {
  const folder = folderOf({ 'a.txt': '0000' })
  const { ask } = await siteOf(t, serveStatic(folder, { cache: { maxAge: LONG } }))
  const wrong: string[] = []
  for (let round = 0; round < 500; round += 1) {
    const text = `${round}`.padStart(4, '0')
    writeFileSync(`${folder}/a.txt`, text)
    const sent = (await ask('/a.txt')).body.toString()
    if (sent !== text) wrong.push(`${sent}, not ${text}`)
  }
  t.deepEqual(wrong, [])
})
