/**
 * node __test__/differential/run.mjs [--nodes current|all|20,22,…] [--only TEXT]
 *
 * The differential suite on the running Node, or on others: their binaries are npm packages, kept in .cache/ beside this
 * file. `all`: every Node that package.json supports.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { Unprepared, program } from '../../scripts/dev/program.mjs'

/** The newest of each line when this was written: pinned, so that a failure can be repeated. */
const VERSIONS = { 20: '20.20.2', 22: '22.23.3', 24: '24.21.0', 26: '26.10.0' }

const here = fileURLToPath(new URL('.', import.meta.url))
const cache = join(here, '.cache')

/** The path of a Node binary. */
function binaryOf(line) {
  if (line === 'current') return process.execPath
  const version = VERSIONS[line]
  if (version === undefined)
    throw new Unprepared(`no Node '${line}'; known are: current, all, ${Object.keys(VERSIONS)}`)
  const folder = join(cache, version)
  const binary = join(folder, `node_modules/node-linux-${process.arch}/bin/node`)
  if (!existsSync(binary)) {
    mkdirSync(folder, { recursive: true })
    const wanted = `node-linux-${process.arch}@${version}`
    execFileSync('npm', ['install', '--prefix', folder, '--no-save', '--no-audit', '--no-fund', wanted], {
      stdio: 'inherit',
    })
  }
  return binary
}

const OPTIONS = {
  nodes: { type: 'string', default: 'current' },
  only: { type: 'string' },
  verbose: { type: 'boolean' },
}

await program(import.meta, { options: OPTIONS }, ({ values }) => {
  if (!existsSync(join(here, '../../dist/index.js'))) throw new Unprepared('not built: npm run build')
  const lines = values.nodes === 'all' ? Object.keys(VERSIONS) : values.nodes.split(',')
  const options = [
    ...(values.only === undefined ? [] : ['--only', values.only]),
    ...(values.verbose ? ['--verbose'] : []),
  ]
  const codes = lines.map((line) => {
    const { status, signal } = spawnSync(binaryOf(line), [join(here, 'suite.mjs'), ...options], { stdio: 'inherit' })
    if (status !== 0) console.log(`Node ${line}: exit code ${status}, signal ${signal}`)
    return status
  })
  return codes.every((code) => code === 0) ? 0 : 1
})
