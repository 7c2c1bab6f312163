// One version everywhere: `npm run version:set` writes them all, and this test finds any that it missed.
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

import { support } from '../../index.ts'
import { sampleDirectory } from '../fixtures/sample-file.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Every place with a version of the package, as `place: version`. */
function versionsIn(folder: string): Record<string, string | undefined> {
  const read = (path: string): string => readFileSync(join(folder, path), 'utf8')
  const first = (path: string, pattern: RegExp): string | undefined => pattern.exec(read(path))?.[1]
  const lock: { version: string; packages: Record<string, { version?: string }> } = JSON.parse(
    read('package-lock.json'),
  )
  const found: Record<string, string | undefined> = {
    'package.json': JSON.parse(read('package.json')).version,
    'package-lock.json': lock.version,
    'package-lock.json, root': lock.packages['']?.version,
    'Cargo.toml': first('Cargo.toml', /\[workspace\.package\]\nversion = "([^"]+)"/),
    'lib/native/version.ts': first('lib/native/version.ts', /VERSION = '([^']+)'/),
    // the newest heading with a number
    'CHANGELOG.md': first('CHANGELOG.md', /^## (\d\S*)/m),
  }
  for (const [, name, version] of read('Cargo.lock').matchAll(/name = "(sendfile64-[\w-]+)"\nversion = "([^"]+)"/g))
    found[`Cargo.lock, ${name}`] = version
  for (const name of readdirSync(join(folder, 'npm')))
    found[`npm/${name}`] = JSON.parse(read(`npm/${name}/package.json`)).version
  return found
}

test('every package, every crate and the changelog have the same version', (t) => {
  const found = versionsIn(root)
  t.true(Object.keys(found).length >= 6 + 4 + 8, Object.keys(found).join(', '))
  const { version } = support()
  t.deepEqual(
    Object.entries(found).filter(([, other]) => other !== version),
    [],
  )
})

test('one command sets all of these versions', (t) => {
  const folder = mkdtempSync(join(sampleDirectory(), 'versions-'))
  const names = [
    'package.json',
    'package-lock.json',
    'Cargo.toml',
    'Cargo.lock',
    'CHANGELOG.md',
    'fuzz',
    'lib',
    'npm',
    'scripts',
  ]
  for (const name of names) cpSync(join(root, name), join(folder, name), { recursive: true })
  const changelog = join(folder, 'CHANGELOG.md')
  const before = readFileSync(changelog, 'utf8')
  writeFileSync(changelog, before.replace(/^## /m, '## Unreleased\n\n- something\n\n## '))
  const said = execFileSync(process.execPath, ['scripts/release/set-version.mjs', '7.8.9-rc.1'], {
    cwd: folder,
    encoding: 'utf8',
  })
  t.regex(said, /7\.8\.9-rc\.1/)
  const found = versionsIn(folder)
  t.deepEqual(new Set(Object.values(found)), new Set(['7.8.9-rc.1']), JSON.stringify(found))
  t.regex(readFileSync(changelog, 'utf8'), /^## 7\.8\.9-rc\.1 \(\d{4}-\d{2}-\d{2}\)\n\n- something/m)
})

test('a version that the changelog does not mention is refused', (t) => {
  const folder = mkdtempSync(join(sampleDirectory(), 'versions-'))
  for (const name of ['package.json', 'CHANGELOG.md', 'scripts'])
    cpSync(join(root, name), join(folder, name), { recursive: true })
  const changelog = join(folder, 'CHANGELOG.md')
  writeFileSync(changelog, '# Changelog\n\n## 0.1.0 (2026-01-01)\n\n- something\n')
  const refused = t.throws(() =>
    execFileSync(process.execPath, ['scripts/release/set-version.mjs', '7.8.9'], {
      cwd: folder,
      encoding: 'utf8',
      stdio: 'pipe',
    }),
  )
  t.regex(String(refused), /has no section "## Unreleased"/)
})
