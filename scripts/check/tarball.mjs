// Checks the exact contents of every tarball in target/packages: usage: node scripts/check/tarball.mjs
// The compiled files are derived from the sources; an unexpected file is as wrong as a missing one.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

import { PLATFORMS, filesOf, nameOf } from '../release/platforms.mjs'
import { program, Unprepared } from '../dev/program.mjs'
import { readJson, root } from '../dev/provision.mjs'

const EVERYWHERE = ['package.json', 'README.md', 'LICENSE']
const { exports, bin = {} } = readJson('package.json')

/** The modules that the TypeScript build compiles, without extension. */
function modules() {
  const entries = readdirSync(root).filter((name) => name.endsWith('.ts'))
  const inner = ['lib', 'cli'].filter((folder) => existsSync(join(root, folder)))
  const within = inner.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join(folder, name)),
  )
  return [...entries, ...within].map((name) => name.replace(/\.ts$/, ''))
}

function expectedInRoot() {
  const compiled = modules().flatMap((name) =>
    ['.js', '.d.ts', '.d.cts'].map((extension) => `dist/${name}${extension}`),
  )
  const required = Object.values(exports).flatMap((target) => target.require?.default ?? [])
  const programs = Object.values(bin)
  const named = [...required, ...programs].map((path) => path.replace(/^\.\//, ''))
  return [...EVERYWHERE, 'CHANGELOG.md', 'binding.d.cts', ...compiled, ...named]
}

function expectedIn({ name, complete }) {
  if (name === readJson('package.json').name) return expectedInRoot()
  const platform = PLATFORMS.find((known) => nameOf(known) === name)
  return [...EVERYWHERE, ...(complete ? [...filesOf(platform), 'THIRD-PARTY-LICENSES.txt'] : [])]
}

function check({ tarball, ...found }) {
  const files = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' })
    .split('\n')
    .filter((name) => name !== '' && !name.endsWith('/'))
    .map((name) => name.replace(/^package\//, ''))
  const expected = new Set(expectedIn(found))
  const problems = [
    ...files.filter((name) => !expected.has(name)).map((name) => `should not be packed: ${name}`),
    ...[...expected].filter((name) => !files.includes(name)).map((name) => `is missing: ${name}`),
  ]
  for (const problem of problems) console.error(`check-tarball: ${found.name}: ${problem}`)
  console.log(`check-tarball: ${found.name}: ${files.length} files, ${statSync(tarball).size} bytes packed`)
  return problems.length === 0
}

await program(import.meta, {}, () => {
  const list = 'target/packages/packages.json'
  if (!existsSync(join(root, list))) throw new Unprepared('not packed: npm run pack -- --partial')
  return readJson(list).map(check).every(Boolean) ? 0 : 1
})
