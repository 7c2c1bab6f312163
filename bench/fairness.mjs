/**
 * node bench/fairness.mjs [--rounds N] [--rivals A,B] [--connections N] [--seconds S] [--pace N] [--label NAME] [--smoke]
 *
 * Small requests alone, and beside one client that downloads 1 GiB again and again. Without --pace each connection
 * repeats its request immediately; with --pace, N requests a second are due in total.
 */
import { join, relative } from 'node:path'
import { holdHot, makeFile, openDataDirectory, requireHot } from './data-files.mjs'
import { describeEnvironment } from './environment.mjs'
import { describeNetwork } from './namespace.mjs'
import { buildNative } from './native/build.mjs'
import { cpuSecondsOf, machineBusySeconds } from './process-tree.mjs'
import { runProgram, wholeNumber } from './program.mjs'
import { median, table } from './report.mjs'
import { SENDING_THREADS, requireRivals, runClient, startClient, startRival } from './rivals.mjs'
import { openRun } from './run-directory.mjs'

const KIB = 1024
const MIB = 1024 * KIB
const SIZES = [64 * KIB, 4 * KIB]
const HUGE = 1024 * MIB
const UNBOUNDED_SECONDS = 3600
const WARM_UP_SECONDS = 0.5

/** Runs every path of the program in seconds; the numbers mean nothing. */
const SMOKE = { rounds: 1, seconds: 0.2, huge: 8 * MIB, warmUp: 0.1 }

const COLUMNS = [
  'round',
  'position',
  'rival',
  'small_bytes',
  'beside',
  'valid',
  'requests',
  'failed',
  'requests_per_s',
  'p50_us',
  'p99_us',
  'p999_us',
  'max_us',
  'huge_mib_per_s',
  'huge_failed',
  'server_cpu_s',
  'other_cpu_s',
]

const OPTIONS = {
  rounds: { type: 'string', default: '5' },
  rivals: { type: 'string', default: 'stock,sendfile64,raw' },
  connections: { type: 'string', default: '16' },
  seconds: { type: 'string', default: '2' },
  pace: { type: 'string' },
  label: { type: 'string' },
  smoke: { type: 'boolean', default: false },
}

const fileOf = (bytes) => `${bytes}-bytes`

function startDownload(server, huge) {
  return startClient(server.port, [`/${fileOf(huge)}`], {
    connections: 1,
    seconds: UNBOUNDED_SECONDS,
    limit: UNBOUNDED_SECONDS,
    expect: huge,
  })
}

/** The small requests, and the progress of the download during them. */
async function observe(server, bytes, beside, settings) {
  const { connections, pace, seconds, huge } = settings
  const download = beside ? startDownload(server, huge) : undefined
  const small = await runClient(server.port, [`/${fileOf(bytes)}`], { connections, pace, seconds, expect: bytes })
  download?.abandon()
  const downloaded = await download?.next()
  await download?.exited
  return { small, downloaded }
}

async function measure(rival, bytes, beside, settings) {
  const server = await startRival(rival, settings.root, { rivalArguments: ['--threads', String(SENDING_THREADS)] })
  try {
    const { connections, warmUp, huge } = settings
    await runClient(server.port, [`/${fileOf(bytes)}`], { connections, seconds: warmUp, expect: bytes })
    await runClient(server.port, [`/${fileOf(huge)}`], { connections: 1, requests: 1, expect: huge })
    for (const size of [bytes, huge]) requireHot(join(settings.root, fileOf(size)), size)
    const before = { cpu: cpuSecondsOf(server.pid), machine: machineBusySeconds() }
    const { small, downloaded } = await observe(server, bytes, beside, settings)
    const cpu = cpuSecondsOf(server.pid) - before.cpu
    const clients = small.cpuSeconds + (downloaded?.cpuSeconds ?? 0)
    return {
      rival,
      small_bytes: bytes,
      beside: Number(beside),
      valid: small.failed === 0 && (downloaded?.failed ?? 0) === 0 ? 1 : 0,
      requests: small.requests,
      failed: small.failed,
      requests_per_s: small.requests / small.seconds,
      p50_us: small.p50us,
      p99_us: small.p99us,
      p999_us: small.p999us,
      max_us: small.maxus,
      huge_mib_per_s: downloaded && downloaded.bytes / MIB / downloaded.seconds,
      huge_failed: downloaded?.failed,
      server_cpu_s: cpu,
      other_cpu_s: Math.max(0, machineBusySeconds() - before.machine - cpu - clients),
    }
  } finally {
    await server.stop()
  }
}

/** Each round begins with another rival; "alone" and "beside" are adjacent. */
async function runRounds(settings, keep) {
  const rows = []
  for (let round = 1; round <= settings.rounds; round++) {
    const order = settings.rivals.map((_, i) => settings.rivals[(i + round - 1) % settings.rivals.length])
    for (const [index, rival] of order.entries()) {
      for (const bytes of SIZES) {
        for (const beside of [false, true]) {
          process.stderr.write(`${round}/${settings.rounds} ${rival} ${bytes} ${beside ? 'beside 1 GiB' : 'alone'}\n`)
          rows.push({ round, position: index + 1, ...(await measure(rival, bytes, beside, settings)) })
          keep(rows.at(-1))
        }
      }
    }
  }
  return rows
}

const HEADING = [
  'rival',
  'small',
  'p50 ms',
  'p99 ms',
  'beside: p50 ms',
  'p99 ms',
  'p99 : alone',
  'least-most',
  'huge MiB/s',
]

/** One line: medians, and the median of the ratios within each round. */
function line(rows, rival, bytes) {
  const own = rows.filter((row) => row.valid && row.rival === rival && row.small_bytes === bytes)
  const alone = own.filter((row) => !row.beside)
  const beside = own.filter((row) => row.beside)
  const of = (some, column) => median(some.map((row) => row[column]))
  const ms = (some, column) => ((of(some, column) ?? NaN) / 1000).toFixed(2)
  const ratios = beside
    .map((row) => row.p99_us / alone.find(({ round }) => round === row.round)?.p99_us)
    .filter((ratio) => Number.isFinite(ratio))
  return [
    rival,
    `${bytes / KIB} KiB`,
    ms(alone, 'p50_us'),
    ms(alone, 'p99_us'),
    ms(beside, 'p50_us'),
    ms(beside, 'p99_us'),
    (median(ratios) ?? NaN).toFixed(2),
    ratios.length === 0 ? '-' : `${Math.min(...ratios).toFixed(2)}-${Math.max(...ratios).toFixed(2)}`,
    of(beside, 'huge_mib_per_s')?.toFixed(0) ?? '-',
  ]
}

function report(rows, rivals) {
  const lines = SIZES.flatMap((bytes) => rivals.map((rival) => line(rows, rival, bytes)))
  const thrownOut = rows
    .filter(({ valid }) => !valid)
    .map(
      (row) => `discarded: round ${row.round}, ${row.rival}: ${row.failed} small, ${row.huge_failed ?? 0} huge failed`,
    )
  const others = median(rows.map((row) => row.other_cpu_s)) ?? 0
  return [table([HEADING, ...lines]), ...thrownOut, `CPU of others in a window, median: ${others.toFixed(2)} s`].join(
    '\n',
  )
}

function openRecord(settings, servedFiles) {
  if (settings.smoke) return { add: () => {} }
  return openRun({
    label: settings.label,
    file: 'fairness.csv',
    columns: COLUMNS,
    environment: describeEnvironment(settings.root, {
      command: ['bench/fairness.mjs', ...process.argv.slice(2)].join(' '),
      'served files': servedFiles,
    }),
  })
}

async function main(settings) {
  buildNative()
  const root = openDataDirectory()
  const sizes = [settings.huge, ...SIZES]
  for (const bytes of sizes) makeFile(join(root, fileOf(bytes)), bytes)
  const servedFiles = await holdHot(sizes.map((bytes) => join(root, fileOf(bytes))))
  const record = openRecord({ ...settings, root }, servedFiles)
  const rows = await runRounds({ ...settings, root }, record.add)
  console.log(`network: ${describeNetwork()}\nserved files: ${servedFiles}\n${report(rows, settings.rivals)}`)
  if (rows.some((row) => !row.valid)) process.exitCode = 1
  if (record.directory) console.log(`rows and environment: ${relative(process.cwd(), record.directory)}`)
}

function settingsOf(values) {
  const rivals = values.rivals.split(',')
  requireRivals(rivals)
  const numbers = Object.fromEntries(
    ['rounds', 'seconds', 'connections'].map((option) => [option, wholeNumber(values, option)]),
  )
  const pace = values.pace === undefined ? undefined : wholeNumber(values, 'pace')
  const full = { huge: HUGE, warmUp: WARM_UP_SECONDS }
  return { ...values, ...full, ...numbers, pace, rivals, ...(values.smoke ? SMOKE : {}) }
}

await runProgram(import.meta, OPTIONS, settingsOf, main)
