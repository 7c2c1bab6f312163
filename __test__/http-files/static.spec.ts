// serveStatic() as middleware and as a handler: index files, redirects, lists, extensions, next(), and bad arguments.
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import http from 'node:http'
import test from 'ava'

import { serveFile, serveStatic, type ServeOptions } from '../../http.ts'
import { allClosed, folderOf, siteOf } from '../fixtures/site.ts'

const folder = folderOf({
  'index.html': 'home',
  'page.html': 'page',
  'sub/default.htm': 'default',
  'sub/file': 'file',
  'names/<img src=x onerror=alert(1)>.txt': 'x',
  'names/a"b\'c&d?e:f.txt': 'x',
  'names/.hidden': 'x',
  'names/inner/x': 'x',
})

test('index: the first name that exists; without one, the folder is not found', async (t) => {
  const { ask } = await siteOf(t, serveStatic(folder, { index: ['index.html', 'default.htm'] }))
  t.is((await ask('/')).body.toString(), 'home')
  t.is((await ask('/sub/')).body.toString(), 'default')
  t.is((await ask('/names/')).status, 404)
  const none = await siteOf(t, serveStatic(folder, { index: false }))
  t.is((await none.ask('/')).status, 404)
})

test('extensions are tried for a name without one', async (t) => {
  const { ask } = await siteOf(t, serveStatic(folder, { extensions: ['htm', 'html'] }))
  const { status, body, headers } = await ask('/page')
  t.deepEqual([status, body.toString(), headers.get('content-type')], [200, 'page', 'text/html; charset=utf-8'])
  t.is((await ask('/page.css')).status, 404)
  await allClosed(folder)
})

test('redirect: false', async (t) => {
  const { ask } = await siteOf(t, serveStatic(folder, { redirect: false }))
  t.is((await ask('/sub')).status, 404)
})

test('a list escapes every name, and has no dotfiles (row 71)', async (t) => {
  const { ask } = await siteOf(t, serveStatic(folder, { listing: true }))
  const { status, headers, body } = await ask('/names/')
  const text = body.toString()
  t.is(status, 200)
  t.is(headers.get('content-type'), 'text/html; charset=utf-8')
  t.false(text.includes('<img'))
  t.false(text.includes('.hidden'))
  const links = [...text.matchAll(/href="([^"]*)"/g)].map(([, link = '']) => link)
  t.is(links.length, 4)
  for (const link of links.slice(1)) {
    t.true(link.startsWith('./'), link)
    const target = new URL(link, 'http://localhost/names/').pathname
    t.is((await ask(target)).status, 200, target)
  }
  t.is((await ask('/names/', { method: 'HEAD' })).body.length, 0)
  t.is((await ask('/')).body.toString(), 'home')
  await allClosed(folder)
})

/** What `next` was called with for a request. */
async function passed(
  t: Parameters<typeof siteOf>[0],
  options: ServeOptions,
  target: string,
  method = 'GET',
): Promise<unknown> {
  const calls: unknown[] = []
  const handler = serveStatic(folder, options)
  const { ask } = await siteOf(t, (req, res) =>
    handler(req, res, (error) => {
      calls.push(error ?? 'next')
      res.statusCode = 202
      res.end()
    }),
  )
  const { status } = await ask(target, { method })
  return calls.length === 0 ? status : calls[0]
}

test('with next(), what has no file is passed on; without fallthrough, it is answered', async (t) => {
  for (const [target, method, status] of [
    ['/nothing', 'GET', 404],
    ['/%', 'GET', 400],
    ['/.hidden', 'GET', 404],
    ['/page.html', 'POST', 405],
  ] as const) {
    t.is(await passed(t, {}, target, method), 'next', target)
    t.is(await passed(t, { fallthrough: false }, target, method), status, target)
  }
  t.is(await passed(t, { dotfiles: 'deny' }, '/.hidden'), 'next')
  t.is(await passed(t, {}, '/page.html'), 200)
})

test('a fault of the server is passed to next(), or is a 500', async (t) => {
  const failure = new Error('of the program')
  const options: ServeOptions = {
    etag: () => {
      throw failure
    },
  }
  t.is(await passed(t, options, '/page.html'), failure)
  const { ask } = await siteOf(t, serveStatic(folder, options))
  t.is((await ask('/page.html')).status, 500)
  await allClosed(folder)
})

test('below a mount point, the redirect has the whole address', async (t) => {
  const handler = serveStatic(folder)
  const { ask } = await siteOf(t, (req, res) => {
    const original = req.url ?? ''
    Object.assign(req, { originalUrl: original, url: original.slice('/mount'.length).replace(/^(?!\/)/, '/') })
    return handler(req, res)
  })
  t.is((await ask('/mount/sub?x')).headers.get('location'), '/mount/sub/?x')
  t.is((await ask('/mount')).headers.get('location'), '/mount/')
  t.is((await ask('/mount/')).body.toString(), 'home')
})

test('the status that the program has set is kept by serveFile(), for a page about an error', async (t) => {
  const { ask } = await siteOf(t, (req, res) => {
    res.statusCode = 404
    return serveFile(req, res, `${folder}/page.html`)
  })
  const { status, body } = await ask('/', { headers: { range: 'bytes=0-0', 'if-none-match': '*' } })
  t.deepEqual([status, body.toString()], [404, 'page'])
})

test('bad arguments of serveStatic() throw', (t) => {
  const file = `${folder}/page.html`
  const codeOf = (act: () => unknown): unknown => {
    try {
      act()
      return undefined
    } catch (error) {
      return Reflect.get(Object(error), 'code')
    }
  }
  const serve: (...args: unknown[]) => unknown = (...args) => Reflect.apply(serveStatic, undefined, args)
  t.is(
    codeOf(() => serve(file)),
    'ERR_INVALID_ARG_VALUE',
  )
  t.is(
    codeOf(() => serve(`${folder}/nothing`)),
    'ERR_INVALID_ARG_VALUE',
  )
  t.is(
    codeOf(() => serve(`${folder}\0`)),
    'ERR_INVALID_ARG_VALUE',
  )
  t.is(
    codeOf(() => serve(5)),
    'ERR_INVALID_ARG_TYPE',
  )
  t.is(
    codeOf(() => serve()),
    'ERR_INVALID_ARG_TYPE',
  )
  for (const [options, code] of BAD_OPTIONS)
    t.is(
      codeOf(() => serve(folder, options)),
      code,
      JSON.stringify(options),
    )
})

const [TYPE, VALUE, RANGE] = ['ERR_INVALID_ARG_TYPE', 'ERR_INVALID_ARG_VALUE', 'ERR_OUT_OF_RANGE']
const BAD_OPTIONS: readonly (readonly [unknown, string])[] = [
  [5, TYPE],
  ['text', TYPE],
  [{ unknown: 1 }, VALUE],
  [{ maxage: 1 }, VALUE],
  [{ dotfiles: 'hide' }, VALUE],
  [{ etag: true }, TYPE],
  [{ etag: 'sha1' }, VALUE],
  [{ lastModified: 'yes' }, TYPE],
  [{ maxAge: -1 }, RANGE],
  [{ maxAge: '1d' }, TYPE],
  [{ immutable: 1 }, TYPE],
  [{ cacheControl: 'a\r\nb: c' }, VALUE],
  [{ cacheControl: 5 }, TYPE],
  [{ headers: {} }, TYPE],
  [{ contentType: 'a\nb' }, VALUE],
  [{ attachment: 5 }, TYPE],
  [{ attachment: '\ud800' }, VALUE],
  [{ precompressed: 'br' }, TYPE],
  [{ precompressed: ['deflate'] }, VALUE],
  [{ ranges: 1 }, TYPE],
  [{ maxRanges: 0 }, RANGE],
  [{ extensions: 'html' }, TYPE],
  [{ extensions: ['/../x'] }, VALUE],
  [{ index: 'a/b' }, VALUE],
  [{ index: 5 }, TYPE],
  [{ symlinks: 'never' }, VALUE],
  [{ rate: -1 }, RANGE],
  [{ rate: 1, limiter: () => undefined }, VALUE],
  [{ limiter: 5 }, TYPE],
  [{ stallTimeout: 1.5 }, RANGE],
  [{ method: 'teleport' }, VALUE],
  [{ signal: {} }, TYPE],
  [{ cache: true }, TYPE],
  [{ cache: { entries: 0 } }, RANGE],
  [{ cache: { maxAge: 0 } }, RANGE],
  [{ cache: { size: 5 } }, VALUE],
]

test('bad arguments of serveFile() reject before anything is touched', async (t) => {
  const path = `${folder}/page.html`
  const calls: readonly (readonly [unknown, unknown, string])[] = [
    [5, undefined, TYPE],
    [undefined, undefined, TYPE],
    [{}, undefined, TYPE],
    [`${path}\0`, undefined, VALUE],
    [Buffer.from('a\0b'), undefined, VALUE],
    [path, { root: path }, VALUE],
    [path, { root: `${folder}/nothing` }, VALUE],
    [path, { root: 5 }, TYPE],
    [path, { symlinks: 'within-root' }, VALUE],
    ...BAD_OPTIONS.map(([options, code]) => [path, options, code] as const),
  ]
  const codes: unknown[] = []
  const { ask } = await siteOf(t, async (req, res) => {
    for (const [name, options] of calls) {
      const call: Promise<unknown> = Reflect.apply(serveFile, undefined, [req, res, name, options])
      codes.push(
        await call.then(
          () => undefined,
          (error: unknown) => Reflect.get(Object(error), 'code'),
        ),
      )
    }
    t.deepEqual([res.headersSent, res.statusCode, res.getHeaderNames().length], [false, 200, 0])
    res.end('untouched')
  })
  t.is((await ask('/')).body.toString(), 'untouched')
  t.deepEqual(
    codes,
    calls.map(([, , code]) => code),
  )
})

test('a response that is ended, destroyed or has sent its headers is refused', async (t) => {
  const codes: unknown[] = []
  const { ask } = await siteOf(t, async (req, res) => {
    const attempt = async (): Promise<void> => {
      await serveFile(req, res, `${folder}/page.html`).catch((error: unknown) =>
        codes.push(Reflect.get(Object(error), 'code')),
      )
    }
    await Reflect.apply(serveFile, undefined, [{}, res, 'x']).catch((error: unknown) =>
      codes.push(Reflect.get(Object(error), 'code')),
    )
    await Reflect.apply(serveFile, undefined, [req, {}, 'x']).catch((error: unknown) =>
      codes.push(Reflect.get(Object(error), 'code')),
    )
    res.write('x')
    await attempt()
    res.end()
    await attempt()
    res.destroy()
    await once(res, 'close')
    await attempt()
    serveStatic(folder)(req, res)
    serveStatic(folder)(req, res, () => codes.push('next'))
  })
  await ask('/').catch(() => {})
  t.deepEqual(codes, [TYPE, TYPE, 'ERR_HTTP_HEADERS_SENT', 'ERR_SENDFILE_DESTINATION', 'ERR_SENDFILE_DESTINATION'])
  await allClosed(folder)
})

test('a file that may not be read is 403', async (t) => {
  if (process.getuid?.() === 0) {
    t.pass('root may read everything')
    return
  }
  writeFileSync(`${folder}/locked`, 'x', { mode: 0 })
  const { ask } = await siteOf(t, serveStatic(folder))
  t.is((await ask('/locked')).status, 403)
})

test('a connection is kept after every answer', async (t) => {
  const { ask, client } = await siteOf(t, serveStatic(folder, { listing: true }))
  for (const target of ['/page.html', '/nothing', '/%', '/sub', '/names/', '/']) {
    await ask(target)
    await ask(target, { method: 'HEAD' })
    t.false(client.socket.destroyed, target)
  }
  t.true(http.STATUS_CODES[200] === 'OK')
})
