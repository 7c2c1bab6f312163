// The root of a static server: what is below it, and what links lead out of it.
import { spawn } from 'node:child_process'
import { renameSync, symlinkSync } from 'node:fs'
import test from 'ava'

import { serveStatic } from '../../http.ts'
import { allClosed, folderOf, siteOf } from '../fixtures/site.ts'

const SECRET = 'secret of another folder'

test('a folder whose path begins with that of the root is not below it', async (t) => {
  const both = folderOf({ 'site/a.txt': 'a', 'site-secret/b.txt': SECRET })
  symlinkSync('../site-secret/b.txt', `${both}/site/link`)
  symlinkSync('../site-secret', `${both}/site/folder`)
  const { ask } = await siteOf(t, serveStatic(`${both}/site`))
  const answers = await Promise.all(['/a.txt', '/link', '/folder/b.txt', '/folder'].map((target) => ask(target)))
  t.deepEqual(
    answers.map(({ status }) => status),
    [200, 404, 404, 404],
  )
})

test('a link that is exchanged for another all the time never leads out of the root', async (t) => {
  const racing = folderOf({ 'inside/file': 'inside' })
  const swap = (to: string): void => {
    symlinkSync(to, `${racing}/next`)
    renameSync(`${racing}/next`, `${racing}/link`)
  }
  swap('inside')
  const outside = folderOf({ file: SECRET })
  const script = `
    const fs = require('node:fs')
    const [, folder, outside] = process.argv
    for (;;) for (const to of ['inside', outside]) {
      fs.symlinkSync(to, folder + '/next')
      fs.renameSync(folder + '/next', folder + '/link')
    }`
  const child = spawn(process.execPath, ['-e', script, racing, outside], { stdio: 'ignore' })
  t.teardown(() => child.kill('SIGKILL'))
  const { ask } = await siteOf(t, serveStatic(racing))
  const seen: Record<string, number> = {}
  const hasBoth = (): boolean => (seen['200 inside'] ?? 0) > 20 && (seen['404 Not Found\n'] ?? 0) > 20
  for (let round = 0; round < 200 && !(round > 20 && hasBoth()); round += 1) {
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask('/link/file')))
    for (const { status, body } of answers) {
      const what = `${status} ${body.toString()}`
      seen[what] = (seen[what] ?? 0) + 1
    }
  }
  t.deepEqual(Object.keys(seen).toSorted(), ['200 inside', '404 Not Found\n'])
  await allClosed(outside)
})

test('a root that is a symbolic link may lead to another folder later', async (t) => {
  const releases = folderOf({ 'one/page.html': 'first', 'two/page.html': 'second' })
  symlinkSync('one', `${releases}/current`)
  const { ask } = await siteOf(t, serveStatic(`${releases}/current`))
  t.is((await ask('/page.html')).body.toString(), 'first')
  symlinkSync('two', `${releases}/next`)
  renameSync(`${releases}/next`, `${releases}/current`)
  t.is((await ask('/page.html')).body.toString(), 'second')
})

test('a root below a folder whose name begins with a dot has no dotfiles for that (row 70)', async (t) => {
  const hidden = folderOf({ '.cache/site/a.txt': 'a' })
  const { ask } = await siteOf(t, serveStatic(`${hidden}/.cache/site`))
  t.is((await ask('/a.txt')).status, 200)
})
