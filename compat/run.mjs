/** node compat/run.mjs [--only A,B] [--mirror TEMPLATE] [--apps]: see README.md */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual, stripVTControlCharacters } from 'node:util'

import { Unprepared, program } from '../scripts/dev/program.mjs'
import { runApps } from './apps.mjs'
import { PROJECTS } from './projects.mjs'
import { parseResults } from './results.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))
/** A name without a dot: static file servers hide files in such a folder. */
const cache = join(here, 'cache')
const LIMIT_MS = 5 * 60_000
/** Maximum number of runs if results vary. */
const MOST_TIMES = 3

function git(args, options = {}) {
  return execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], ...options }).trim()
}

/** A checkout of the pinned commit with its packages installed. */
function checkout({ name, repository, tag, commit, build }, mirror) {
  const folder = join(cache, name)
  if (!existsSync(join(folder, 'node_modules'))) {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(cache, { recursive: true })
    const [owner, project] = repository.split('/')
    const url = mirror.replace('{owner}', owner).replace('{name}', project)
    try {
      git(['-c', 'advice.detachedHead=false', 'clone', '--quiet', '--depth', '1', '--branch', tag, url, folder])
    } catch (error) {
      throw new Unprepared(`${name}: ${url} cannot be cloned: it needs a network or --mirror\n${error.stderr}`)
    }
    const found = git(['rev-parse', 'HEAD'], { cwd: folder })
    if (found !== commit)
      throw new Unprepared(`${name}: ${tag} is ${found}, not the pinned ${commit}: the tag was moved`)
    const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error']
    execFileSync('npm', ['install', ...options], { cwd: folder, stdio: 'inherit' })
  }
  if (build !== undefined) execFileSync(process.execPath, build, { cwd: folder, stdio: 'ignore' })
  return folder
}

/** The test files of a project, if its runner needs them as arguments. */
function filesOf({ files }, folder) {
  if (files === undefined) return []
  const [under, pattern] = files
  const found = readdirSync(join(folder, under), { recursive: true }).filter((path) => pattern.test(path))
  return found.toSorted().map((path) => join(under, path))
}

function runTests(project, folder, env) {
  const { stdout, stderr } = spawnSync(process.execPath, [...project.test, ...filesOf(project, folder)], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, ...env },
    timeout: LIMIT_MS,
    maxBuffer: 1 << 28,
  })
  return { ...parseResults(stripVTControlCharacters(stdout), project.format), output: `${stdout}\n${stderr}` }
}

/** The number of transfers of a run by method. */
function transfersIn(counts) {
  const sum = { sendfile: 0, copy: 0 }
  if (!existsSync(counts)) return sum
  for (const line of readFileSync(counts, 'utf8').trim().split('\n')) {
    for (const [method, count] of Object.entries(JSON.parse(line))) sum[method] = (sum[method] ?? 0) + count
  }
  return sum
}

/** The default, by which small files are read; and small files sent by the kernel as well. */
const REGISTERED = [{ how: 'registered' }, { how: 'registered, SENDFILE64=sendfile', SENDFILE64: 'sendfile' }]

function runRegistered(project, folder, stock, { how, ...env }) {
  const counts = join(mkdtempSync(join(tmpdir(), 'sendfile64-compat-')), 'counts')
  const preload = { NODE_OPTIONS: `--require ${join(here, 'count.cjs')}`, COMPAT_COUNT: counts }
  const ours = runTests(project, folder, { ...preload, ...env })
  const transfers = transfersIn(counts)
  const sameResults = stock.passed === ours.passed && isDeepStrictEqual(stock.failed, ours.failed)
  const wanted = project.kernel ?? true
  const sameWay = wanted ? transfers.sendfile > 0 || env.SENDFILE64 === undefined : transfers.sendfile === 0
  return { how, ours, transfers, sameWay, same: stock.passed > 0 && sameResults && sameWay }
}

/** All runs of a project. */
function runAll(project, folder) {
  const stock = runTests(project, folder, {})
  return { stock, registered: REGISTERED.map((env) => runRegistered(project, folder, stock, env)) }
}

const isSame = ({ registered }) => registered.every(({ same }) => same)

/** Whether stock and registered agree at least once: some tests measure time or need a certain port. */
function compare(project, mirror) {
  const folder = checkout(project, mirror)
  let found = runAll(project, folder)
  let times = 1
  for (; !isSame(found) && times < MOST_TIMES; times += 1) found = runAll(project, folder)
  const repeated = times > 1 ? `; run ${times} times` : ''
  console.log(`${project.name} ${project.tag}: stock ${figures(found.stock)}${repeated}`)
  for (const run of found.registered) tell(project, found.stock, run)
  return isSame(found)
}

const figures = ({ passed, failed }) => `${passed} passed, ${failed.length} failed`

function tell({ kernel = true }, stock, { how, ours, transfers, sameWay, same }) {
  const word = same ? 'same   ' : 'DIFFERS'
  const made = `${transfers.sendfile} transfers by the kernel, ${transfers.copy} copied`
  console.log(`  ${word} ${how}: ${figures(ours)}; ${made}`)
  if (same) return
  if (!sameWay) console.log(`expected ${kernel ? 'at least one transfer' : 'no transfer'} by the kernel`)
  for (const title of stock.failed.filter((title) => !ours.failed.includes(title))) console.log(`stock fails: ${title}`)
  for (const title of ours.failed.filter((title) => !stock.failed.includes(title)))
    console.log(`registered fails: ${title}`)
  console.log(ours.output.slice(-6000))
}

const OPTIONS = {
  only: { type: 'string' },
  mirror: { type: 'string', default: 'https://github.com/{owner}/{name}.git' },
  apps: { type: 'boolean', default: false },
}

await program(import.meta, { options: OPTIONS }, async ({ values }) => {
  if (!existsSync(join(here, '../dist/register.cjs'))) throw new Unprepared('not built: npm run build')
  if (values.apps) return (await runApps()) ? 0 : 1
  const wanted = values.only?.split(',') ?? PROJECTS.map(({ name }) => name)
  const chosen = PROJECTS.filter(({ name }) => wanted.includes(name))
  if (chosen.length === 0) throw new Unprepared(`unknown project; known are: ${PROJECTS.map(({ name }) => name)}`)
  return chosen.map((project) => compare(project, values.mirror)).every(Boolean) ? 0 : 1
})
