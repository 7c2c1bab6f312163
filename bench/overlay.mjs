/**
 * node bench/overlay.mjs [--rounds N] [--scenario A,B] [--rivals A,B] [--users A,B] [--label NAME]
 *
 * The same bytes on the plain filesystem and on overlayfs, from its lower and its upper layer, served by root and by a
 * user who owns no file, as in a container image. Needs root.
 */
import { execFileSync } from 'node:child_process'
import { copyFileSync } from 'node:fs'
import { join, relative } from 'node:path'

import { holdHot, makeFile, openDataDirectory } from './data-files.mjs'
import { describeEnvironment } from './environment.mjs'
import { COLUMNS, measure } from './measure.mjs'
import { describeNetwork } from './namespace.mjs'
import { buildNative } from './native/build.mjs'
import { LAYERS, mountOverlay, USERS } from './overlay-mount.mjs'
import { runProgram, wholeNumber } from './program.mjs'
import { median, table } from './report.mjs'
import { addBefore, requireRivals, SENDING_THREADS } from './rivals.mjs'
import { openRun } from './run-directory.mjs'
import { scenarios } from './scenarios.mjs'

const BASELINE = { user: 'root', layer: 'plain' }

const OPTIONS = {
  rounds: { type: 'string', default: '5' },
  scenario: { type: 'string', default: '64kib,1gib-c1' },
  rivals: { type: 'string', default: 'sendfile64,stream' },
  users: { type: 'string', default: Object.keys(USERS).join(',') },
  layers: { type: 'string', default: LAYERS.join(',') },
  against: { type: 'string' },
  seconds: { type: 'string', default: '3' },
  label: { type: 'string', default: 'overlay' },
}

function settingsOf(values) {
  const list = (option) => values[option].split(',')
  const chosen = scenarios(false).filter(({ name }) => list('scenario').includes(name))
  if (chosen.length === 0) throw new Error(`unknown scenario ${values.scenario}`)
  const rivals = list('rivals')
  const before = values.against === undefined ? [] : addBefore(values.against, rivals)
  requireRivals([...rivals, ...before])
  const cells = list('users').flatMap((user) => list('layers').map((layer) => ({ user, layer })))
  const strange = cells.find(({ user, layer }) => !(user in USERS) || !LAYERS.includes(layer))
  if (strange) throw new Error(`unknown user or layer: ${strange.user}, ${strange.layer}`)
  if (process.getuid() !== 0) throw new Error('overlay.mjs mounts overlayfs and changes the user: it needs root')
  for (const { load, warmUp } of chosen) {
    if (load.seconds) Object.assign(load, { seconds: wholeNumber(values, 'seconds') })
    // A request that takes a whole second on a busy machine is too long for a warm-up
    warmUp.connections = load.connections
    warmUp.threads = load.threads
  }
  return {
    ...values,
    rounds: wholeNumber(values, 'rounds'),
    chosen,
    cells: cells.toSorted((a, b) => Number(isBaseline(b)) - Number(isBaseline(a))),
    rivals: [...rivals, ...before],
  }
}

const isBaseline = ({ user, layer }) => user === BASELINE.user && layer === BASELINE.layer

/** A file of the upper layer has its own name; it is copied through the mount. */
function makeFiles(directories, chosen) {
  for (const { file, bytes } of chosen) {
    makeFile(join(directories.plain, file), bytes)
    copyFileSync(join(directories.plain, file), join(directories.upper, `${file}-upper`))
  }
  execFileSync('sync')
}

const fileOf = (scenario, layer) => (layer === 'upper' ? `${scenario.file}-upper` : scenario.file)

async function runRounds(settings, directories, keep) {
  const rows = []
  for (const scenario of settings.chosen) {
    for (let round = 1; round <= settings.rounds; round++) {
      const work = settings.rivals.flatMap((rival) => settings.cells.map((cell) => ({ rival, ...cell })))
      if (round % 2 === 0) work.reverse()
      for (const [index, { rival, user, layer }] of work.entries()) {
        process.stderr.write(`${scenario.name} ${round}/${settings.rounds} ${rival} ${user} ${layer}\n`)
        const options = {
          root: directories[layer],
          rivalArguments: ['--threads', String(SENDING_THREADS)],
          user: USERS[user],
        }
        const row = await measure({ ...scenario, file: fileOf(scenario, layer) }, rival, options)
        rows.push({ user, layer, ...row, round, position: index + 1 })
        keep(rows.at(-1))
      }
    }
  }
  return rows
}

/** Ratios to root on the plain filesystem, each within a round. */
function report(rows, { chosen, rivals, cells }) {
  const heading = [
    'scenario',
    'rival',
    'user',
    'layer',
    'requests/s',
    'CPU us/request',
    'requests/s : plain',
    'CPU : plain',
  ]
  const lines = chosen.flatMap(({ name }) =>
    rivals.flatMap((rival) =>
      cells.map(({ user, layer }) => {
        const own = rows.filter((row) => row.scenario === name && row.rival === rival && row.valid)
        const mine = own.filter((row) => row.user === user && row.layer === layer)
        const of = (column) =>
          median(mine.map((row) => row[column]))?.toFixed(column === 'requests_per_s' ? 1 : 0) ?? '-'
        const ratio = (column) => {
          const ratios = mine
            .map((row) => row[column] / own.find((other) => isBaseline(other) && other.round === row.round)?.[column])
            .filter(Number.isFinite)
          if (ratios.length === 0) return '-'
          return `${median(ratios).toFixed(2)} [${Math.min(...ratios).toFixed(2)}-${Math.max(...ratios).toFixed(2)}]`
        }
        return [
          name,
          rival,
          user,
          layer,
          of('requests_per_s'),
          of('cpu_us_per_request'),
          ratio('requests_per_s'),
          ratio('cpu_us_per_request'),
        ]
      }),
    ),
  )
  return table([heading, ...lines])
}

async function main(settings) {
  buildNative()
  const root = openDataDirectory()
  const directories = mountOverlay(root)
  makeFiles(directories, settings.chosen)
  const served = settings.chosen.flatMap((scenario) => [
    join(directories.plain, scenario.file),
    join(directories.upper, fileOf(scenario, 'upper')),
  ])
  const servedFiles = await holdHot(served)
  const record = openRun({
    label: settings.label,
    file: 'overlay.csv',
    columns: ['user', 'layer', ...COLUMNS],
    environment: describeEnvironment(root, {
      command: ['bench/overlay.mjs', ...process.argv.slice(2)].join(' '),
      rounds: settings.rounds,
      'served files': servedFiles,
    }),
  })
  const rows = await runRounds(settings, directories, record.add)
  console.log(`network: ${describeNetwork()}\nserved files: ${servedFiles}\n${report(rows, settings)}`)
  console.log(`rows and environment: ${relative(process.cwd(), record.directory)}`)
  if (rows.some((row) => !row.valid)) process.exitCode = 1
}

await runProgram(import.meta, OPTIONS, settingsOf, main)
