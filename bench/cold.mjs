/**
 * node bench/cold.mjs [--rounds N] [--rivals A,B] [--seconds S] [--disk MB/s] [--layer plain|lower] [--user root|nobody] [--label NAME]
 *
 * Requests of 64 KiB from the page cache at a fixed pace, alone and beside 1 and 8 downloads of files from a slow disk.
 */
import { chmodSync } from 'node:fs'
import { join, relative } from 'node:path'
import { evict, holdHot, makeFile, openDataDirectory, requireHot, residency } from './data-files.mjs'
import { throttleReads } from './disk-throttle.mjs'
import { describeEnvironment } from './environment.mjs'
import { describeNetwork } from './namespace.mjs'
import { buildNative } from './native/build.mjs'
import { mountOverlay, USERS } from './overlay-mount.mjs'
import { pidsOf } from './process-tree.mjs'
import { runProgram, wholeNumber } from './program.mjs'
import { median, table } from './report.mjs'
import { RIVALS, SENDING_THREADS, requireRivals, runClient, startClient, startRival } from './rivals.mjs'
import { openRun } from './run-directory.mjs'

const MIB = 2 ** 20
const HOT = { file: 'hot', bytes: 64 * 1024 }
const COLD_BYTES = 128 * MIB
const COLD_FILES = Array.from({ length: 8 }, (_, i) => `cold-${i}`)
const COLD_CLIENTS = [0, 1, 8]

/** 32 MB/s of hot requests: far below the capacity of any rival, so that p99 shows waiting and not saturation. */
const HOT_LOAD = { connections: 16, pace: 500, expect: HOT.bytes }
const UNBOUNDED_SECONDS = 3600

const COLUMNS = [
  'round',
  'rival',
  'cold_clients',
  'valid',
  'requests',
  'failed',
  'p50_us',
  'p99_us',
  'p999_us',
  'max_us',
  'cold_mib_per_s',
  'cold_failed',
  'cold_resident_before',
  'cold_resident_after',
]

const OPTIONS = {
  rounds: { type: 'string', default: '3' },
  rivals: {
    type: 'string',
    default: Object.keys(RIVALS)
      .filter((name) => name !== 'cached')
      .join(','),
  },
  seconds: { type: 'string', default: '5' },
  disk: { type: 'string', default: '60' },
  layer: { type: 'string', default: 'plain' },
  user: { type: 'string', default: 'root' },
  label: { type: 'string' },
}

/** The fraction of the cold files in the page cache. */
function residentShare(root, look = residency) {
  const states = COLD_FILES.map((file) => look(join(root, file)))
  const sum = (key) => states.reduce((total, state) => total + state[key], 0)
  return sum('resident') / sum('pages')
}

async function observe(server, coldClients, seconds, root) {
  const hot = () => runClient(server.port, [`/${HOT.file}`], { ...HOT_LOAD, seconds })
  if (coldClients === 0) return { hot: await hot() }
  const before = residentShare(root, evict)
  const cold = startClient(
    server.port,
    COLD_FILES.map((file) => `/${file}`),
    {
      connections: coldClients,
      seconds: UNBOUNDED_SECONDS,
      limit: UNBOUNDED_SECONDS,
      expect: COLD_BYTES,
    },
  )
  const result = await hot()
  cold.abandon()
  const downloads = await cold.next()
  await cold.exited
  return { hot: result, downloads, before, after: residentShare(root) }
}

async function measure(rival, coldClients, settings, root) {
  const server = await startRival(rival, root, {
    rivalArguments: ['--threads', String(SENDING_THREADS)],
    user: USERS[settings.user],
  })
  try {
    settings.throttle.add(pidsOf(server.pid))
    await runClient(server.port, [`/${HOT.file}`], { connections: 16, seconds: 0.5, expect: HOT.bytes })
    requireHot(join(root, HOT.file), HOT.bytes)
    const { hot, downloads, before, after } = await observe(server, coldClients, settings.seconds, root)
    return {
      rival,
      cold_clients: coldClients,
      valid: hot.failed === 0 && (downloads?.failed ?? 0) === 0 ? 1 : 0,
      requests: hot.requests,
      failed: hot.failed,
      p50_us: hot.p50us,
      p99_us: hot.p99us,
      p999_us: hot.p999us,
      max_us: hot.maxus,
      cold_mib_per_s: downloads && downloads.bytes / MIB / downloads.seconds,
      cold_failed: downloads?.failed,
      cold_resident_before: before,
      cold_resident_after: after,
    }
  } finally {
    await server.stop()
  }
}

function summary(rows, rivals) {
  const ms = (microseconds) => (microseconds === undefined ? '-' : (microseconds / 1000).toFixed(2))
  const heading = [
    'rival',
    'cold downloads',
    'p50 ms',
    'p99 ms',
    'p99.9 ms',
    'worst ms',
    'p99 : undisturbed',
    'cold MiB/s',
  ]
  const lines = rivals.flatMap((rival) => {
    const valid = (cold) => rows.filter((row) => row.rival === rival && row.cold_clients === cold && row.valid)
    const undisturbed = median(valid(0).map((row) => row.p99_us))
    return COLD_CLIENTS.map((cold) => {
      const of = (column) => median(valid(cold).map((row) => row[column]))
      const ratio = of('p99_us') / undisturbed
      return [
        rival,
        String(cold),
        ms(of('p50_us')),
        ms(of('p99_us')),
        ms(of('p999_us')),
        ms(of('max_us')),
        Number.isFinite(ratio) ? ratio.toFixed(2) : '-',
        of('cold_mib_per_s')?.toFixed(0) ?? '-',
      ]
    })
  })
  return table([heading, ...lines])
}

function remarksOn(row) {
  const where = `round ${row.round}, ${row.rival}, ${row.cold_clients} cold`
  if (!row.valid) return [`discarded: ${where}: ${row.failed} hot and ${row.cold_failed ?? 0} cold requests failed`]
  if (row.cold_resident_before > 0.01)
    return [`not cold: ${where}: ${Math.round(row.cold_resident_before * 100)} % stayed in the page cache`]
  if (row.cold_resident_after > 0.99) return [`cold only in part: ${where}: all files were read before the end`]
  return []
}

async function runRounds(settings, root, keep) {
  const rows = []
  for (let round = 1; round <= settings.rounds; round++) {
    for (const rival of settings.rivals) {
      for (const coldClients of COLD_CLIENTS) {
        process.stderr.write(`${round}/${settings.rounds} ${rival} ${coldClients} cold\n`)
        rows.push({ round, ...(await measure(rival, coldClients, settings, root)) })
        keep(rows.at(-1))
      }
    }
  }
  return rows
}

async function main(settings) {
  buildNative()
  const data = openDataDirectory()
  const layers = settings.layer === 'plain' ? { plain: data } : mountOverlay(data)
  const root = layers[settings.layer]
  chmodSync(data, 0o755) // readable by the user nobody
  makeFile(join(layers.plain, HOT.file), HOT.bytes)
  for (const file of COLD_FILES) makeFile(join(layers.plain, file), COLD_BYTES)
  const throttle = throttleReads(data, settings.disk * 1e6)
  const environment = describeEnvironment(root, {
    layer: `${settings.layer}, served by ${settings.user}`,
    command: ['bench/cold.mjs', ...process.argv.slice(2)].join(' '),
    disk: throttle.how,
    'hot file': await holdHot([join(root, HOT.file)]),
  })
  const record = openRun({ label: settings.label, file: 'cold.csv', columns: COLUMNS, environment })
  const rows = await runRounds({ ...settings, throttle }, root, record.add)
  console.log(
    `network: ${describeNetwork()}\ndisk: ${throttle.how}\nmedians of ${settings.rounds}\n${summary(rows, settings.rivals)}`,
  )
  for (const remark of rows.flatMap(remarksOn)) console.log(remark)
  if (rows.some((row) => !row.valid)) process.exitCode = 1
  console.log(`rows and environment: ${relative(process.cwd(), record.directory)}`)
}

function settingsOf(values) {
  const rivals = values.rivals.split(',')
  requireRivals(rivals)
  if (!(values.user in USERS)) throw new Error(`unknown user ${values.user}`)
  if (!['plain', 'lower'].includes(values.layer)) throw new Error(`unknown layer ${values.layer}`)
  const numbers = Object.fromEntries(
    ['rounds', 'seconds', 'disk'].map((option) => [option, wholeNumber(values, option)]),
  )
  return { ...values, rivals, ...numbers }
}

await runProgram(import.meta, OPTIONS, settingsOf, main)
