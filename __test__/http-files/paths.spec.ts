// Which file a request target leads to: one spelling of one path below the root, and nothing else (rows 60 to 71 of the
// reports about static servers).
import { execFileSync } from 'node:child_process'
import { symlinkSync, writeFileSync } from 'node:fs'
import test from 'ava'

import { serveFile, serveStatic } from '../../http.ts'
import { joinPath, resolveTarget, withSlash } from '../../lib/http/request/resolve.ts'
import { allClosed, folderOf, siteOf } from '../fixtures/site.ts'

const SECRET = 'secret of another folder'
const outside = folderOf({ secret: SECRET, 'sub/secret': SECRET })
const folder = folderOf({
  'a.txt': 'a',
  'a%25.txt': 'percent 25',
  '100%.txt': 'percent',
  'sp ace.txt': 'space',
  'ü.txt': 'u with dots',
  'sub/b.txt': 'b',
  'sub/index.html': 'index of sub',
  'admin/secret.txt': 'below admin',
  'back\\slash': 'backslash',
  '.hidden': 'hidden',
  'sub/.git/config': 'git',
  '.well-known/acme': 'well known',
  '...': 'three dots',
  '+&,;=@!$()*': 'punctuation',
})
writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff]), Buffer.from('.bin')]), 'not UTF-8')
symlinkSync('a.txt', `${folder}/link-inside`)
symlinkSync(`${folder}/sub`, `${folder}/folder-inside`)
symlinkSync(`${outside}/secret`, `${folder}/link-outside`)
symlinkSync(outside, `${folder}/folder-outside`)
symlinkSync('link-loop', `${folder}/link-loop`)
execFileSync('mkfifo', [`${folder}/fifo`])
symlinkSync('/dev/zero', `${folder}/device`)

/** The answers to request targets: a status, or the body of a 200. */
const TARGETS: Readonly<Record<string, string | number>> = {
  '/a.txt': 'a',
  '/%61.txt': 'a',
  '/%61%2Etxt?query': 'a',
  '/a.txt?/../../x#': 'a',
  '/sub/b.txt': 'b',
  '/sub/': 'index of sub',
  '/sub': 301,
  '/link-inside': 'a',
  '/folder-inside/b.txt': 'b',
  // Decoded exactly once, and by bytes (row 60).
  '/a%2525.txt': 'percent 25',
  '/a%25.txt': 404,
  '/100%25.txt': 'percent',
  '/sp%20ace.txt': 'space',
  '/sp+ace.txt': 404,
  '/%C3%BC.txt': 'u with dots',
  '/%FF.bin': 'not UTF-8',
  '/+&,;=@!$()*': 'punctuation',
  '/...': 404, // begins with a dot
  // Not an encoding, a NUL byte, not in origin-form (rows 67 and 68).
  '/%': 400,
  '/a%2': 400,
  '/%zz': 400,
  '/%%61': 400,
  '/a.txt%00': 400,
  '/a.txt%00.html': 400,
  '/%00': 400,
  '*': 400,
  'http://localhost/a.txt': 400,
  '/a.txt#fragment': 400,
  // Separators are never encoded (rows 61 and 64).
  '/sub%2Fb.txt': 404,
  '/sub%2fb.txt': 404,
  '/admin%2Fsecret.txt': 404,
  '/sub%5Cb.txt': 404,
  '/back%5Cslash': 404,
  '/C:%5Cx': 404,
  // One spelling for one path (rows 62, 63 and 65).
  '//a.txt': 404,
  '//admin/secret.txt': 404,
  '/admin//secret.txt': 404,
  '/./a.txt': 404,
  '/%2e/a.txt': 404,
  '/sub/../a.txt': 404,
  '/sub/%2e%2e/a.txt': 404,
  '/sub/%2E./a.txt': 404,
  '/../secret': 404,
  '/%2e%2e/secret': 404,
  '/..%2fsecret': 404,
  '/%2e%2e%2fsecret': 404,
  '/..%5csecret': 404,
  '//localhost/%2e%2e': 404,
  '//sub': 404,
  '/a.txt/': 404,
  '/a.txt/b': 404,
  // Links (row 66), files that are no files, names that are too long or lead in circles (row 69).
  '/link-outside': 404,
  '/folder-outside': 404,
  '/folder-outside/': 404,
  '/folder-outside/secret': 404,
  '/folder-outside/sub/secret': 404,
  '/link-loop': 404,
  '/fifo': 404,
  '/device': 404,
  [`/${'x'.repeat(300)}`]: 404,
  [`/${'x/'.repeat(2500)}x`]: 404,
  '/nothing': 404,
  // Dotfiles below the root only (row 70).
  '/.hidden': 404,
  '/%2Ehidden': 404,
  '/sub/.git/config': 404,
  '/.well-known/acme': 'well known',
}

test('every target leads to one file, or to an answer', async (t) => {
  const { ask } = await siteOf(t, serveStatic(folder))
  const seen: Record<string, string | number> = {}
  for (const target of Object.keys(TARGETS)) {
    const { status, body } = await ask(target)
    seen[target] = status === 200 ? body.toString() : status
  }
  t.deepEqual(seen, TARGETS)
  await allClosed(folder)
})

test('dotfiles: deny answers 403, allow sends them', async (t) => {
  for (const [dotfiles, expected] of [
    ['deny', [403, 403, 200]],
    ['allow', [200, 200, 200]],
    ['ignore', [404, 404, 200]],
  ] as const) {
    const { ask } = await siteOf(t, serveStatic(folder, { dotfiles }))
    const answers = await Promise.all(
      ['/.hidden', '/sub/.git/config', '/.well-known/acme'].map((target) => ask(target)),
    )
    t.deepEqual(
      answers.map(({ status }) => status),
      [...expected],
      dotfiles,
    )
  }
})

test('symlinks: follow leaves the root, deny follows none', async (t) => {
  const targets = ['/a.txt', '/link-inside', '/folder-inside/b.txt', '/link-outside', '/folder-outside/secret']
  const statuses = async (symlinks: 'follow' | 'within-root' | 'deny'): Promise<number[]> => {
    const { ask } = await siteOf(t, serveStatic(folder, { symlinks }))
    const answers = await Promise.all(targets.map((target) => ask(target)))
    return answers.map(({ status }) => status)
  }
  t.deepEqual(await statuses('follow'), [200, 200, 200, 200, 200])
  t.deepEqual(await statuses('within-root'), [200, 200, 200, 404, 404])
  t.deepEqual(await statuses('deny'), [200, 403, 403, 403, 403])
  await allClosed(outside)
})

test('serveFile() with a root does not leave it', async (t) => {
  const { ask } = await siteOf(t, (req, res) =>
    serveFile(req, res, decodeURIComponent(req.url ?? '').slice(1), { root: folder }),
  )
  const expected: Readonly<Record<string, number>> = {
    '/a.txt': 200,
    '/sub/../a.txt': 200,
    '/../secret': 404,
    [`/${outside}/secret`]: 404,
    '/link-outside': 404,
    '/folder-outside/secret': 404,
    '/.hidden': 404,
    '/sub': 404,
    '/': 404,
  }
  const seen: Record<string, number> = {}
  for (const target of Object.keys(expected)) seen[target] = (await ask(target)).status
  t.deepEqual(seen, expected)
})

test('serveFile() takes names as bytes, and URLs', async (t) => {
  const bytes = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff]), Buffer.from('.bin')])
  const { ask } = await siteOf(t, (req, res) =>
    serveFile(req, res, req.url === '/bytes' ? bytes : new URL(`file://${folder}/sp%20ace.txt`)),
  )
  t.is((await ask('/bytes')).body.toString(), 'not UTF-8')
  t.is((await ask('/url')).body.toString(), 'space')
})

/** Numbers that are the same in each run (xorshift32). */
function* dice(seed: number): Generator<number, never> {
  let state = seed
  for (;;) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    yield state >>> 0
  }
}

const PIECES = [
  '/ / / . .. %2e %2E%2e %2f %5c \\ %00 % %25 %252e %c0%ae %ff ~ ? & : @'.split(' '),
  'a.txt sub b.txt secret link-outside folder-outside link-inside .hidden'.split(' '),
].flat()

function targetsFrom(seed: number, count: number): string[] {
  const numbers = dice(seed)
  return Array.from({ length: count }, () => {
    const length = 1 + (numbers.next().value % 8)
    const pieces = Array.from({ length }, () => PIECES[numbers.next().value % PIECES.length])
    return `/${pieces.join('')}`
  })
}

test('100,000 generated targets: none escapes the root, or has two spellings', (t) => {
  const root = Buffer.from('/srv')
  const wrong: string[] = []
  for (const target of targetsFrom(7, 100_000)) {
    const found = resolveTarget(target)
    if (found.status !== undefined) continue
    const path = joinPath(root, found.segments).toString('latin1')
    const names = path.split('/').slice(1)
    const isBad = (name: string): boolean => name === '' || name === '.' || name === '..' || /[\\\0]/.test(name)
    if (!`${path}/`.startsWith('/srv/') || names.length !== found.segments.length + 1 || names.some(isBad))
      wrong.push(target)
  }
  t.deepEqual(wrong, [])
})

test('2000 generated targets over a connection: an answer each, no secret, no open file', async (t) => {
  t.timeout(60_000)
  const { ask } = await siteOf(t, serveStatic(folder, { listing: true }))
  const targets = targetsFrom(11, 2000).filter((target) => !target.includes('\\'))
  const statuses = new Set<number>()
  for (let at = 0; at < targets.length; at += 50) {
    const answers = await Promise.all(targets.slice(at, at + 50).map((target) => ask(target)))
    for (const { status, body } of answers) {
      statuses.add(status)
      if (body.includes(SECRET)) t.fail('the secret was sent')
    }
  }
  t.deepEqual(
    [...statuses].toSorted((a, b) => a - b),
    [200, 301, 400, 404],
  )
  await allClosed(folder)
  await allClosed(outside)
})

test('a redirect to a folder keeps the query, and leads to this host (row 65)', async (t) => {
  t.is(withSlash('/sub?a=1&b=/x'), '/sub/?a=1&b=/x')
  for (const target of [
    '//evil.example',
    '/\\evil.example',
    '\\\\evil.example',
    '///evil.example',
    '/\\/evil.example',
  ]) {
    t.regex(withSlash(target), /^\/[^/\\]/, target)
  }
  t.is(withSlash('/a\r\nSet-Cookie: x'), '/a%0D%0ASet-Cookie:%20x/')
  t.is(withSlash('/\u00fc\u2019'), '/%FC%E2%80%99/')
  const { ask } = await siteOf(t, serveStatic(folder))
  const { status, headers, body } = await ask('/sub?a=1')
  t.deepEqual([status, headers.get('location'), body.toString()], [301, '/sub/?a=1', 'Moved Permanently\n'])
})
