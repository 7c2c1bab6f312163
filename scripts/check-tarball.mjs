// The exact kinds of file a tarball may hold, and those it must: usage: node scripts/check-tarball.mjs FILE.tgz
import { execFileSync } from 'node:child_process'
import { statSync } from 'node:fs'

const allowed = /^(package\.json|README\.md|LICENSE|binding\.(cjs|d\.cts)|dist\/.+\.(js|cjs|d\.ts|d\.cts|js\.map))$/
const required = ['package.json', 'README.md', 'LICENSE', 'binding.cjs', 'binding.d.cts']
const entries = [
  'dist/index.js',
  'dist/index.cjs',
  'dist/index.d.ts',
  'dist/index.d.cts',
  'dist/register.js',
  'dist/register.cjs',
  'dist/lib/binding.js',
]

const [tarball] = process.argv.slice(2)
const files = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' })
  .split('\n')
  .filter((name) => name !== '' && !name.endsWith('/'))
  .map((name) => name.replace(/^package\//, ''))

const problems = [
  ...files.filter((name) => !allowed.test(name)).map((name) => `should not be packed: ${name}`),
  ...[...required, ...entries].filter((name) => !files.includes(name)).map((name) => `is missing: ${name}`),
]
for (const problem of problems) console.error(`check-tarball: ${problem}`)
console.log(`check-tarball: ${files.length} files, ${statSync(tarball).size} bytes packed`)
process.exitCode = problems.length === 0 ? 0 : 1
