// Every program of the repository has `--help`, exits with 2 for an unknown option, and names a missing prerequisite in
// one sentence.
import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

import { sampleDirectory } from '../fixtures/sample-file.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folders = ['.ci', 'scripts', 'bench', 'soak', 'compat', '__test__/differential']
const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard', ...folders], {
  cwd: root,
  encoding: 'utf8',
})
const texts = listed
  .split('\n')
  .filter((path) => /\.(?:mjs|sh)$|^\.ci\/run$/.test(path) && existsSync(join(root, path)))
  .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))

/** Started by another program that has checked the arguments, or in a project without this repository. */
const INNER = new Set([
  'bench/in-namespace.sh',
  '__test__/differential/suite.mjs',
  'scripts/test/install/consumer.mjs',
  'scripts/test/install/two-copies.mjs',
  'bench/servers/tls.mjs',
])
const programs = texts
  .filter(
    ({ path, text }) =>
      /^await (?:program|runProgram)\(/m.test(text) || (!path.endsWith('.mjs') && text.startsWith('#!')),
  )
  .map(({ path }) => path)
  .filter((path) => !INNER.has(path))

interface Ended {
  readonly code: number | string | null | undefined
  readonly stdout: string
  readonly stderr: string
}

function run(path: string, ...args: readonly string[]): Promise<Ended> {
  const [program, before] = path.endsWith('.mjs') ? [process.execPath, [join(root, path)]] : [join(root, path), []]
  return new Promise((resolve) => {
    execFile(program, [...before, ...args], { cwd: '/', timeout: 30_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : error.code, stdout, stderr })
    })
  })
}

test('only scripts/dev/program.mjs reads arguments', (t) => {
  const own = texts.filter(({ path, text }) => path.endsWith('.mjs') && /parseArgs|argv\.slice\(2\)\s*$/m.test(text))
  t.deepEqual(
    own.map(({ path }) => path).filter((path) => !INNER.has(path) && path !== 'scripts/dev/program.mjs'),
    [],
  )
  t.true(programs.length >= 45, programs.join(' '))
})

for (const path of programs) {
  test(`${path} has --help and refuses an unknown option`, async (t) => {
    t.timeout(60_000)
    const help = await run(path, '--help')
    t.is(help.code, 0, help.stderr)
    t.regex(help.stdout, /usage: |^node |^npm run|`npm /m)
    const unknown = await run(path, '--no-such-option')
    t.is(unknown.code, 2, unknown.stdout + unknown.stderr)
    t.regex(unknown.stderr, /--no-such-option/)
    t.is(unknown.stderr.trim().split('\n').length, 1, unknown.stderr)
  })
}

test('.ci/run --help lists every section, and other arguments are refused', async (t) => {
  const text = readFileSync(join(root, '.ci/run'), 'utf8')
  const sections = [...text.matchAll(/^section '(?<name>[^']+)'/gm)].map(({ groups }) => groups?.['name'] ?? '')
  t.true(sections.length >= 20)
  const { stdout } = await run('.ci/run', '--help')
  t.deepEqual(stdout.split('in this order:\n')[1]?.trim().split(/\n */), sections)
  for (const wrong of [['lint'], ['--keep-going', 'lint']]) t.is((await run('.ci/run', ...wrong)).code, 2)
})

test('in a clone without a build, a program names the command that builds', (t) => {
  const clone = join(sampleDirectory(), 'clone')
  const tracked = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: root, encoding: 'utf8' })
  for (const path of tracked.split('\n')) {
    if (path === '' || path.startsWith('bench/runs') || !existsSync(join(root, path))) continue
    mkdirSync(dirname(join(clone, path)), { recursive: true })
    cpSync(join(root, path), join(clone, path))
  }
  for (const path of ['soak/run.mjs', 'compat/run.mjs', '__test__/differential/run.mjs']) {
    const { status, stderr } = spawnSync(process.execPath, [join(clone, path)], { encoding: 'utf8', timeout: 30_000 })
    t.is(stderr, 'not built: npm run build\n', path)
    t.is(status, 1, path)
  }
  const docs = spawnSync(process.execPath, [join(clone, 'scripts/docs/api.mjs')], { encoding: 'utf8', timeout: 30_000 })
  t.is(docs.stderr, 'npm packages are missing: npm run setup\n')
})
