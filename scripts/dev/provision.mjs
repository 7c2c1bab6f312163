// Prepares a fresh clone: checks the toolchain, installs the npm packages, builds the addon and dist/.
// No dependency: this runs before anything is installed.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { Unprepared } from './program.mjs'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/** Runs one program in the root folder with inherited output; returns its exit code. */
export function run(program, args, env = {}) {
  const { status, error } = spawnSync(program, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  })
  if (error) throw new Unprepared(`${program} could not be started: ${error.message}`)
  return status ?? 1
}

/** npm with the running Node: another Node may be first on PATH. */
export function runNpm(args) {
  const script = process.env.npm_execpath
  return script?.endsWith('npm-cli.js') ? run(process.execPath, [script, ...args]) : run('npm', args)
}

/** @param {string} range only the form `^20.19.0 || >=24`, which package.json uses */
export function satisfies(version, range) {
  const parse = (text) => text.split('.').map(Number)
  const atLeast = (a, b) => [0, 1, 2].reduce((order, i) => order || (a[i] ?? 0) - (b[i] ?? 0), 0) >= 0
  const actual = parse(version)
  return range.split('||').some((part) => {
    const [, sign, floor] = /^\s*(\^|>=)([\d.]+)\s*$/.exec(part) ?? []
    if (!floor) throw new Error(`unknown form of version range: ${part}`)
    return atLeast(actual, parse(floor)) && (sign === '>=' || actual[0] === parse(floor)[0])
  })
}

export function requireNode() {
  const { engines } = readJson('package.json')
  if (!satisfies(process.versions.node, engines.node))
    throw new Unprepared(
      `sendfile64 needs Node ${engines.node}, this is ${process.version}: install a newer one from https://nodejs.org.`,
    )
}

export function requireRust() {
  // rustup puts cargo here and adds the folder to PATH only for shells started afterwards
  const rustupBin = join(process.env.CARGO_HOME ?? join(homedir(), '.cargo'), 'bin')
  process.env.PATH = [process.env.PATH, rustupBin].join(delimiter)
  const floor = /^rust-version = "([\d.]+)"/m.exec(readFileSync(join(root, 'Cargo.toml'), 'utf8'))?.[1]
  if (!floor) throw new Error('Cargo.toml has no rust-version')
  const cargo = spawnSync('cargo', ['--version'], { cwd: root, encoding: 'utf8' })
  const found = /^cargo ([\d.]+)/.exec(cargo.stdout ?? '')?.[1]
  if (found && satisfies(found, `>=${floor}`)) return
  throw new Unprepared(
    `sendfile64 needs Rust ${floor} or newer to build its native part, and ` +
      `${found ? `cargo ${found} is older` : 'cargo was not found'}: install it from https://rustup.rs, then run the command again.`,
  )
}

/** The hidden lock file is npm's own record of what node_modules holds. */
export function packagesAreFresh() {
  const record = join(root, 'node_modules/.package-lock.json')
  if (!existsSync(record)) return false
  const installed = JSON.parse(readFileSync(record, 'utf8')).packages
  const wanted = Object.entries(readJson('package-lock.json').packages)
  return wanted.every(([path, { version, optional }]) => {
    // '' is this package itself; an optional one for another platform is rightly absent
    if (path === '' || (optional && !installed[path])) return true
    return installed[path]?.version === version && existsSync(join(root, path, 'package.json'))
  })
}

export function installPackages() {
  if (packagesAreFresh()) return
  heading('npm packages')
  const code = runNpm(['ci', '--no-audit', '--no-fund', '--loglevel=error'])
  if (code !== 0) throw new Unprepared('npm ci failed: see above.')
}

/** Folders are included: their time changes when a file is added or removed. */
function times(path) {
  const stat = statSync(join(root, path), { throwIfNoEntry: false })
  if (!stat) return []
  if (!stat.isDirectory()) return [stat.mtimeMs]
  return [stat.mtimeMs, ...readdirSync(join(root, path)).flatMap((name) => times(join(path, name)))]
}

function isStale(outputs, sources) {
  const built = outputs.map((path) => statSync(join(root, path), { throwIfNoEntry: false })?.mtimeMs ?? 0)
  return built.length === 0 || Math.min(...built) < Math.max(...sources.flatMap(times))
}

function addonFiles() {
  const prefix = `sendfile64.${process.platform}-${process.arch}`
  const found = readdirSync(root).filter((name) => name.startsWith(prefix) && name.endsWith('.node'))
  return found.length > 0 ? found : [`${prefix}.node`]
}

/** Builds what is missing or older than its sources. */
export function build() {
  requireRust()
  const crates = readdirSync(join(root, 'crates')).flatMap((crate) =>
    ['src', 'build.rs', 'Cargo.toml'].map((path) => `crates/${crate}/${path}`),
  )
  const steps = [
    ['build:native', addonFiles(), ['Cargo.toml', 'Cargo.lock', 'package.json', ...crates]],
    [
      'build:ts',
      ['dist/index.js', 'dist/index.cjs', 'dist/index.d.cts', 'dist/register.cjs'],
      ['index.ts', 'register.ts', 'lib', 'binding.d.cts', 'tsconfig.json', 'tsconfig.build.json'],
    ],
  ]
  for (const [script, outputs, sources] of steps) {
    if (!isStale(outputs, sources)) continue
    heading(script)
    if (runNpm(['run', '--silent', script]) !== 0) throw new Unprepared(`npm run ${script} failed: see above.`)
  }
}

export function provision() {
  requireNode()
  requireRust()
  installPackages()
  build()
}

export function heading(text) {
  console.log(`\n== ${text}`)
}

export function readJson(path) {
  return JSON.parse(readFileSync(join(root, path), 'utf8'))
}
