// `npm run test:install`: publishes the packages to a registry on loopback, then installs and uses them as users do.
// usage: node scripts/test/install.mjs [--quick]   (--quick: npm on the running Node)
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { MANAGERS } from './install/managers.mjs'
import { Project } from './install/project.mjs'
import { startRegistry } from './install/registry.mjs'
import { NODE_VERSIONS, installTools, nodeBinary } from '../dev/node-binaries.mjs'
import { Unprepared, program } from '../dev/program.mjs'
import { heading, root, run } from '../dev/provision.mjs'

let quick = false
const WASI_WARNING = /ExperimentalWarning: WASI|--trace-warnings/
const PERMISSION_WARNING = /SecurityWarning|ExperimentalWarning: Permission|--trace-warnings/
const BUN = '1.4.5'
const DENO = '2.9.6'

/** The checks of every project, for each package manager: name and function. */
function* scenarios(project, major) {
  yield ['native', () => project.run(['consumer.mjs', 'native'])]
  if (project.manager === MANAGERS['yarn 4 PnP']) return
  yield* typescript(project)
  yield [
    'native missing: nothing is said before the first use',
    () => project.without('binding-linux', () => project.run(['consumer.mjs', 'import'])),
  ]
  yield [
    'native missing',
    () =>
      project.without('binding-linux', () =>
        project.run(['consumer.mjs', 'wasm32-wasip1'], { warnings: WASI_WARNING }),
      ),
  ]
  yield ['both missing', () => project.without('binding-', () => project.run(['consumer.mjs', 'none']))]
  yield [
    'a binary of another version',
    () =>
      project.withOtherVersion((other) => {
        const said = project.run(['consumer.mjs', 'wasm32-wasip1'], { warnings: WASI_WARNING })
        assert.ok(said.includes(`has version ${other}, not`), said)
        return said
      }),
  ]
  yield* permission(project, major)
}

function* typescript(project) {
  for (const mode of ['node16', 'nodenext', 'bundler']) yield [`TypeScript, ${mode}`, () => project.compile(mode)]
}

function* permission(project, major) {
  const flags = [major < 22 ? '--experimental-permission' : '--permission', '--allow-fs-read=*', '--allow-fs-write=*']
  if (major >= 25) flags.push('--allow-net')
  for (const [name, more, binding] of [
    ['--permission', [], 'none'],
    ['--permission --allow-wasi', ['--allow-wasi'], 'wasm32-wasip1'],
    ['--permission --allow-addons', ['--allow-addons'], 'native'],
  ]) {
    const warnings = new RegExp(
      [PERMISSION_WARNING.source, ...(binding === 'wasm32-wasip1' ? [WASI_WARNING.source] : [])].join('|'),
    )
    yield [name, () => project.run(['consumer.mjs', binding], { flags: [...flags, ...more], warnings })]
  }
}

/** Runtimes other than Node, in a project installed by npm. */
function* otherRuntimes(project) {
  const modules = installTools(`runtimes-${BUN}-${DENO}`, { dependencies: { bun: BUN, deno: DENO } })
  const bun = join(modules, 'bun/bin/bun.exe')
  const deno = join(modules, 'deno/deno')
  yield ['Bun', () => project.run(['consumer.mjs', 'native'], { program: bun })]
  yield [
    'Bun, native missing',
    () =>
      project.without('binding-linux', () => project.run(['consumer.mjs', 'none'], { program: bun, warnings: /./ })),
  ]
  const denoFlags = ['run', '--allow-all', '--quiet', '--node-modules-dir=manual']
  yield ['Deno', () => project.run(['consumer.mjs', 'native'], { program: deno, flags: denoFlags })]
  yield [
    'Deno, native missing',
    () =>
      project.without('binding-linux', () =>
        project.run(['consumer.mjs', 'wasm32-wasip1'], { program: deno, flags: denoFlags, warnings: WASI_WARNING }),
      ),
  ]
}

class Report {
  failures = []
  passed = 0
  check(name, body) {
    try {
      const said = body()
      this.passed++
      console.log(`passed  ${name}${said ? `  ${said.slice(0, 300)}` : ''}`)
    } catch (error) {
      this.failures.push(name)
      console.log(`FAILED  ${name}\n${error.message}${error.stderr ?? ''}`)
    }
  }
}

function installed(report, name, project) {
  report.check(`${name}: install`, () => {
    project.install()
    return ''
  })
}

function matrix(report, place) {
  const versions = quick ? [process.versions.node] : NODE_VERSIONS.slice(0, 3)
  const managers = quick ? ['npm'] : ['npm', 'pnpm', 'yarn 4']
  for (const version of versions) {
    for (const manager of managers) {
      const project = projectOf(place, `${manager}-${version}`, manager, version)
      const name = `Node ${version}, ${manager}`
      installed(report, name, project)
      for (const [what, body] of scenarios(project, Number.parseInt(version, 10)))
        report.check(`${name}: ${what}`, body)
    }
  }
}

function projectOf(place, folder, manager, version, dependencies) {
  const how = { manager: MANAGERS[manager], node: nodeBinary(version), place, dependencies }
  return new Project(join(place.work, folder.replaceAll(/[ =]/g, '-')), how)
}

function special(report, place) {
  const version = quick ? process.versions.node : NODE_VERSIONS[2]
  const omitted = projectOf(place, 'omit', 'npm --omit=optional', version)
  installed(report, 'npm --omit=optional', omitted)
  report.check('npm --omit=optional: the WASI flavor', () =>
    omitted.run(['consumer.mjs', 'wasm32-wasip1'], { warnings: WASI_WARNING }),
  )
  report.check('npm --omit=optional: no addon is there', () => {
    assert.deepEqual(omitted.packages('binding-linux'), [])
    return ''
  })
  const copies = projectOf(place, 'copies', 'npm', version, { second: 'npm:sendfile64' })
  installed(report, 'two copies', copies)
  report.check('two copies', () => copies.run(['two-copies.mjs', 'second']))
  if (quick) return
  const other = projectOf(place, 'runtimes', 'npm', version)
  installed(report, 'other runtimes', other)
  for (const [name, body] of otherRuntimes(other)) report.check(name, body)
  for (const manager of ['yarn 4 PnP', 'yarn 1']) {
    const project = projectOf(place, manager, manager, version)
    installed(report, manager, project)
    for (const [what, body] of scenarios(project, Number.parseInt(version, 10)))
      report.check(`${manager}: ${what}`, body)
  }
}

await program(import.meta, { options: { quick: { type: 'boolean', default: false } } }, async ({ values }) => {
  quick = values.quick
  if (!existsSync(join(root, 'sendfile64.wasip1.cjs')))
    throw new Unprepared('The WASI flavor is not built: npm run build:wasi')
  if (run(process.execPath, ['scripts/release/pack.mjs', '--partial']) !== 0) return 1
  const work = mkdtempSync(join(tmpdir(), 'sendfile64-install-'))
  const report = new Report()
  let registry
  try {
    registry = await startRegistry(join(work, 'registry'))
    const place = { ...registry, work }
    matrix(report, place)
    special(report, place)
  } finally {
    registry?.stop()
    rmSync(work, { recursive: true, force: true })
  }
  heading(`${report.passed} passed, ${report.failures.length} failed`)
  for (const name of report.failures) console.error(`test-install: ${name}`)
  return report.failures.length === 0 ? 0 : 1
})
