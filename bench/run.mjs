/**
 * node bench/run.mjs [--rounds N] [--scenario A,B] [--rivals A,B] [--against CHECKOUT] [--raw-quantum BYTES]
 *   [--label NAME] [--smoke]
 *
 * Scenarios × rivals in interleaved rounds. See README.md.
 */
import { join, relative } from 'node:path'
import { holdHot, makeFile, openDataDirectory } from './data-files.mjs'
import { describeEnvironment } from './environment.mjs'
import { COLUMNS, headersOf, measure } from './measure.mjs'
import { describeNetwork } from './namespace.mjs'
import { buildNative } from './native/build.mjs'
import { runProgram, wholeNumber } from './program.mjs'
import { report } from './report.mjs'
import { RIVALS, SENDING_THREADS, addBefore, requireRivals } from './rivals.mjs'
import { openRun } from './run-directory.mjs'
import { scenarios } from './scenarios.mjs'

const OPTIONS = {
  rounds: { type: 'string' },
  scenario: { type: 'string' },
  rivals: { type: 'string' },
  against: { type: 'string' },
  'raw-quantum': { type: 'string', default: '0' },
  label: { type: 'string' },
  smoke: { type: 'boolean', default: false },
}

function settingsOf(values) {
  const all = scenarios(values.smoke)
  const wanted = values.scenario?.split(',') ?? all.map(({ name }) => name)
  const unknown = wanted.find((name) => !all.some((scenario) => scenario.name === name))
  if (unknown) throw new Error(`unknown scenario ${unknown}; known are: ${all.map(({ name }) => name).join(', ')}`)
  const rounds = values.rounds === undefined ? (values.smoke ? 1 : 5) : wholeNumber(values, 'rounds')
  const rivals = values.rivals?.split(',') ?? Object.keys(RIVALS)
  requireRivals(rivals)
  if (values.against !== undefined) rivals.push(...addBefore(values.against, rivals))
  return {
    ...values,
    rounds,
    rivals,
    chosen: all.filter(({ name }) => wanted.includes(name)),
    rivalArguments: ['--threads', String(SENDING_THREADS), '--quantum', values['raw-quantum']],
  }
}

/** Different headers would be different work. */
async function requireSameHeaders(rivals, path, options) {
  const seen = new Map()
  for (const rival of rivals) seen.set(await headersOf(rival, path, options), rival)
  if (seen.size > 1) {
    throw new Error(
      `the rivals send different headers:\n${[...seen].map(([headers, rival]) => `  ${rival}: ${headers}`).join('\n')}`,
    )
  }
}

/** Each round begins with another rival, so that none always runs after the same one. */
const rotated = (names, round) => names.map((_, i) => names[(i + round) % names.length])

async function runRounds(settings, root, keep) {
  const rows = []
  for (const scenario of settings.chosen) {
    for (let round = 1; round <= settings.rounds; round++) {
      for (const [index, rival] of rotated(settings.rivals, round - 1).entries()) {
        process.stderr.write(`${scenario.name} ${round}/${settings.rounds} ${rival}\n`)
        const row = await measure(scenario, rival, { root, rivalArguments: settings.rivalArguments })
        rows.push({ ...row, round, position: index + 1 })
        keep(rows.at(-1))
      }
    }
  }
  return rows
}

function openRecord(settings, root, servedFiles) {
  if (settings.smoke) return { add: () => {} }
  return openRun({
    label: settings.label,
    file: 'raw.csv',
    columns: COLUMNS,
    environment: describeEnvironment(root, {
      command: ['bench/run.mjs', ...process.argv.slice(2)].join(' '),
      rounds: settings.rounds,
      'served files': servedFiles,
    }),
  })
}

async function main(settings) {
  buildNative()
  const root = openDataDirectory()
  for (const { file, bytes } of settings.chosen) makeFile(join(root, file), bytes)
  await requireSameHeaders(settings.rivals, `/${settings.chosen.at(-1).file}`, {
    root,
    rivalArguments: settings.rivalArguments,
  })

  const servedFiles = await holdHot(settings.chosen.map(({ file }) => join(root, file)))
  const record = openRecord(settings, root, servedFiles)
  const rows = await runRounds(settings, root, record.add)
  console.log(`network: ${describeNetwork()}\nserved files: ${servedFiles}`)
  console.log(
    report(
      rows,
      settings.chosen.map(({ name }) => name),
      settings.rivals,
    ),
  )
  if (record.directory) console.log(`rows and environment: ${relative(process.cwd(), record.directory)}`)
  if (rows.some((row) => !row.valid)) process.exitCode = 1
}

await runProgram(import.meta, OPTIONS, settingsOf, main)
