// What the headers say of a file: tag, date, type, name, how long it may be kept, and which variant it is.
import { statSync, utimesSync, writeFileSync } from 'node:fs'
import test from 'ava'

import { serveFile, serveStatic, type ServeOptions } from '../../http.ts'
import { parseRange } from '../../lib/http/request/ranges.ts'
import { sampleBytes } from '../fixtures/sample-file.ts'
import { allClosed, folderOf, put, siteOf } from '../fixtures/site.ts'
import { until } from '../fixtures/within.ts'

const TIME = 1_600_000_000
const folder = folderOf({})
put(`${folder}/a.txt`, 'text', TIME)
put(`${folder}/built.js`, 'script', 1)

test('a tag of size and modification time in nanoseconds: a file rewritten within the same second has another (row 56)', async (t) => {
  const path = put(`${folder}/rewritten.txt`, 'aaaa', TIME + 0.25)
  const { ask } = await siteOf(t, serveStatic(folder))
  const first = await ask('/rewritten.txt')
  writeFileSync(path, 'bbbb')
  utimesSync(path, TIME + 0.5, TIME + 0.5)
  const etag = first.headers.get('etag') ?? ''
  const second = await ask('/rewritten.txt', { headers: { 'if-none-match': etag } })
  t.deepEqual([second.status, second.body.toString()], [200, 'bbbb'])
  t.is(first.headers.get('last-modified'), second.headers.get('last-modified'))
})

test('a strong tag is weak while the file may still change within its tick (row 56)', async (t) => {
  const path = put(`${folder}/young.txt`, 'young')
  const { ask } = await siteOf(t, serveStatic(folder, { etag: 'strong' }))
  t.regex((await ask('/young.txt')).headers.get('etag') ?? '', /^W\/"/)
  await until(() => Date.now() - statSync(path).ctimeMs > 1100, 'the file is older than a second')
  const etag = (await ask('/young.txt')).headers.get('etag') ?? ''
  t.regex(etag, /^"[\da-f-]+"$/)
  // Only now do If-Match and If-Range hold (row 49).
  t.is((await ask('/young.txt', { headers: { 'if-match': etag } })).status, 200)
  t.is((await ask('/young.txt', { headers: { 'if-range': etag, range: 'bytes=0-0' } })).status, 206)
  t.is((await ask('/young.txt', { headers: { 'if-range': `W/${etag}`, range: 'bytes=0-0' } })).status, 200)
})

test('the modification time of a reproducible build is no date (row 54)', async (t) => {
  const { ask } = await siteOf(t, serveStatic(folder))
  const before = await ask('/built.js')
  t.false(before.headers.has('last-modified'))
  const etag = before.headers.get('etag') ?? ''
  t.is((await ask('/built.js', { headers: { 'if-none-match': etag } })).status, 304)
  t.is((await ask('/built.js', { headers: { 'if-modified-since': new Date().toUTCString() } })).status, 200)
  await until(() => Date.now() > statSync(`${folder}/built.js`).ctimeMs + 20, 'the clock of the kernel ticks')
  put(`${folder}/built.js`, 'SCRIPT', 1) // the next deployment: same size, same time
  t.is((await ask('/built.js', { headers: { 'if-none-match': etag } })).status, 200)
})

test('etag and lastModified may be functions of the path and the stats (row 55)', async (t) => {
  const seen: unknown[] = []
  const options: ServeOptions = {
    etag: (path, stat) => {
      seen.push(path, stat.size, stat.isFile(), stat.mtime.getTime(), typeof stat.ino)
      return `v${stat.size}`
    },
    lastModified: () => new Date(1e12),
  }
  const { ask } = await siteOf(t, serveStatic(folder, options))
  const { headers } = await ask('/a.txt')
  t.deepEqual([headers.get('etag'), headers.get('last-modified')], ['"v4"', 'Sun, 09 Sep 2001 01:46:40 GMT'])
  t.deepEqual(seen, [`${folder}/a.txt`, 4, true, TIME * 1000, 'number'])
  t.is((await ask('/a.txt', { headers: { 'if-match': '"v4"' } })).status, 200)
  const none = await siteOf(t, serveStatic(folder, { etag: () => undefined, lastModified: () => undefined }))
  const bare = await none.ask('/a.txt')
  t.deepEqual([bare.headers.has('etag'), bare.headers.has('last-modified')], [false, false])
})

test('Cache-Control', async (t) => {
  const control = async (options: ServeOptions): Promise<string | undefined> => {
    const { ask } = await siteOf(t, serveStatic(folder, options))
    return (await ask('/a.txt')).headers.get('cache-control')
  }
  t.is(await control({}), 'public, max-age=0')
  t.is(await control({ maxAge: 3_600_500, immutable: true }), 'public, max-age=3600, immutable')
  t.is(await control({ cacheControl: 'private, no-store' }), 'private, no-store')
  t.is(await control({ cacheControl: false, maxAge: 1000 }), undefined)
})

test('attachment: a name in ASCII, and the name itself (row 59)', async (t) => {
  const names: Readonly<Record<string, string>> = {
    'plain.pdf': 'attachment; filename="plain.pdf"',
    'naïve.pdf': `attachment; filename="na?ve.pdf"; filename*=UTF-8''na%C3%AFve.pdf`,
    '日本.pdf': `attachment; filename="??.pdf"; filename*=UTF-8''%E6%97%A5%E6%9C%AC.pdf`,
    'it’s.pdf': `attachment; filename="it?s.pdf"; filename*=UTF-8''it%E2%80%99s.pdf`,
    '😀.pdf': `attachment; filename="??.pdf"; filename*=UTF-8''%F0%9F%98%80.pdf`,
    'a"b\\c.pdf': String.raw`attachment; filename="a\"b\\c.pdf"`,
    'a\r\nSet-Cookie: x': `attachment; filename="a??Set-Cookie: x"; filename*=UTF-8''a%0D%0ASet-Cookie%3A%20x`,
    '../../etc/passwd': 'attachment; filename="passwd"',
  }
  for (const [name, expected] of Object.entries(names)) {
    const { ask } = await siteOf(t, (req, res) => serveFile(req, res, `${folder}/a.txt`, { attachment: name }))
    const { status, headers } = await ask('/')
    t.is(status, 200)
    t.is((headers.get('content-disposition') ?? '').replace(/filename=([\w.]+)$/, 'filename="$1"'), expected)
    t.false(headers.has('set-cookie'))
  }
  const { ask } = await siteOf(t, (req, res) => serveFile(req, res, `${folder}/a.txt`, { attachment: true }))
  t.is((await ask('/')).headers.get('content-disposition'), 'attachment; filename=a.txt')
})

test('contentType, and what the program sets itself', async (t) => {
  const fixed = await siteOf(t, serveStatic(folder, { contentType: 'text/x-own' }))
  t.is((await fixed.ask('/a.txt')).headers.get('content-type'), 'text/x-own')
  const chosen = await siteOf(
    t,
    serveStatic(folder, { contentType: (path) => (path.endsWith('.js') ? 'a/b' : undefined) }),
  )
  t.is((await chosen.ask('/built.js')).headers.get('content-type'), 'a/b')
  t.is((await chosen.ask('/a.txt')).headers.get('content-type'), 'text/plain; charset=utf-8')
  const own = await siteOf(t, (req, res) => {
    res.setHeader('ETag', '"own"').setHeader('Vary', 'Origin')
    return serveStatic(folder, { precompressed: true, headers: (res) => res.setHeader('X-Own', 'yes') })(req, res)
  })
  const { headers } = await own.ask('/a.txt')
  t.deepEqual(
    [headers.get('etag'), headers.get('vary'), headers.get('x-own')],
    ['"own"', 'Origin, Accept-Encoding', 'yes'],
  )
  t.is((await own.ask('/a.txt', { headers: { 'if-none-match': '"own"' } })).status, 304)
})

test('ranges: false sends the whole file; acceptRanges is a header only', async (t) => {
  const without = await siteOf(t, serveStatic(folder, { ranges: false }))
  const { status, headers } = await without.ask('/a.txt', { headers: { range: 'bytes=0-0' } })
  t.deepEqual([status, headers.has('accept-ranges')], [200, false])
  const quiet = await siteOf(t, serveStatic(folder, { acceptRanges: false }))
  const part = await quiet.ask('/a.txt', { headers: { range: 'bytes=0-0' } })
  t.deepEqual([part.status, part.headers.has('accept-ranges')], [206, false])
})

/* -------------------------------------------------- variants (row 58) */

const site = folderOf({})
const WORDS: Readonly<Record<string, string>> = { '': 'plain', '.br': 'brotli', '.zst': 'zstandard', '.gz': 'gzipped' }
for (const [extension, word] of Object.entries(WORDS)) put(`${site}/all.html${extension}`, word, TIME)
put(`${site}/some.html`, 'plain', TIME)
put(`${site}/some.html.gz`, 'gzipped', TIME)
put(`${site}/only.html.br`, 'brotli', TIME)

const ACCEPTED: Readonly<Record<string, readonly [all: string, some: string, only: string]>> = {
  '': ['plain', 'plain', '404'],
  identity: ['plain', 'plain', '404'],
  br: ['brotli', 'plain', 'brotli'],
  gzip: ['gzipped', 'gzipped', '404'],
  'gzip, deflate, br, zstd': ['brotli', 'gzipped', 'brotli'],
  'GZIP;Q=0.5, ZSTD;q=0.6': ['zstandard', 'gzipped', '404'],
  'br;q=0, gzip;q=0.1': ['gzipped', 'gzipped', '404'],
  '*': ['brotli', 'gzipped', 'brotli'],
  '*;q=0': ['plain', 'plain', '404'],
  'identity;q=0, br': ['brotli', 'plain', 'brotli'],
  'gzip;q=0.5, identity': ['plain', 'plain', '404'],
}

test('precompressed: the best variant that the client accepts and that exists', async (t) => {
  const { ask } = await siteOf(t, serveStatic(site, { precompressed: true }))
  const codings = { plain: undefined, brotli: 'br', zstandard: 'zstd', gzipped: 'gzip' }
  for (const [accepted, expected] of Object.entries(ACCEPTED)) {
    for (const [index, name] of ['all', 'some', 'only'].entries()) {
      const headers: Record<string, string> = accepted === '' ? {} : { 'accept-encoding': accepted }
      const what = `${name} with ${accepted}`
      const whole = await ask(`/${name}.html`, { headers })
      t.is(whole.status === 200 ? whole.body.toString() : `${whole.status}`, expected[index] ?? '', what)
      t.is(whole.headers.get('vary'), 'Accept-Encoding', what)
      if (whole.status !== 200) continue
      t.is(whole.headers.get('content-type'), 'text/html; charset=utf-8', what)
      t.is(whole.headers.get('content-encoding'), Reflect.get(codings, whole.body.toString()), what)
      const head = await ask(`/${name}.html`, { method: 'HEAD', headers })
      t.deepEqual([head.status, head.headers.get('content-length')], [200, `${whole.body.length}`], what)
      t.is(head.headers.get('content-encoding'), whole.headers.get('content-encoding'), what)
      const part = await ask(`/${name}.html`, { headers: { ...headers, range: 'bytes=1-2' } })
      t.deepEqual([part.status, part.body.toString()], [206, whole.body.toString().slice(1, 3)], what)
      t.is(part.headers.get('vary'), 'Accept-Encoding', what)
      const again = { ...headers, 'if-none-match': whole.headers.get('etag') ?? '' }
      const unchanged = await ask(`/${name}.html`, { headers: again })
      t.deepEqual([unchanged.status, unchanged.headers.get('vary')], [304, 'Accept-Encoding'], what)
      t.false(unchanged.headers.has('content-encoding'), what)
    }
  }
  await allClosed(site)
})

test('precompressed: each variant has a tag of its own, also by a function', async (t) => {
  for (const etag of ['weak', 'strong', () => '"same"'] as const) {
    const { ask } = await siteOf(t, serveStatic(site, { precompressed: ['gzip', 'br', 'zstd'], etag }))
    const codings = ['identity', 'br', 'gzip', 'zstd']
    const answers = await Promise.all(
      codings.map((coding) => ask('/all.html', { headers: { 'accept-encoding': coding } })),
    )
    t.is(new Set(answers.map(({ headers }) => headers.get('etag'))).size, 4)
  }
})

/* -------------------------------------------------- many ranges (row 50) */

test('many ranges never send more than the file, and are read in linear time', async (t) => {
  const size = 1000
  put(`${folder}/bytes`, sampleBytes(size), TIME)
  const { ask } = await siteOf(t, serveStatic(folder), { maxHeaderSize: 100_000 })
  const headers: Readonly<Record<string, readonly [string, number]>> = {
    '0-0 10,000 times': [Array.from({ length: 10_000 }, () => '0-0').join(), 200],
    '0-0 100 times': [Array.from({ length: 100 }, () => '0-0').join(), 206],
    '1-900 200 times': [Array.from({ length: 200 }, () => '1-900').join(), 206],
    '51 single bytes': [Array.from({ length: 51 }, (_, at) => `${at * 2}-${at * 2}`).join(), 200],
    '50 single bytes, descending': [
      Array.from({ length: 50 }, (_, at) => `${500 - at * 2}-${500 - at * 2}`).join(),
      206,
    ],
    'every byte': [Array.from({ length: size }, (_, at) => `${at}-${at}`).join(), 200],
  }
  for (const [what, [specs, status]] of Object.entries(headers)) {
    const answer = await ask('/bytes', { headers: { range: `bytes=${specs}` } })
    t.is(answer.status, status, what)
    t.true(answer.body.length <= size + 50 * 150, what)
  }
  const long = `bytes=${'0-0,'.repeat(16_384)}`
  const commas = `bytes=${','.repeat(65_536)}`
  const spaces = `bytes=${' '.repeat(65_536)}`
  const digits = `bytes=0-${'9'.repeat(65_536)}`
  for (const header of [long, commas, spaces, digits, `bytes=${' ,'.repeat(32_768)}x`]) {
    // The best of several: the test may lose the processor meanwhile.
    const times = Array.from({ length: 20 }, () => {
      const startedAt = performance.now()
      parseRange(header, size, 50)
      return performance.now() - startedAt
    })
    t.true(Math.min(...times) < 2, `${header.slice(0, 12)}: ${Math.min(...times)} ms`)
  }
})
