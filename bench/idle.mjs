/**
 * node bench/idle.mjs [--clients N] [--rounds N] [--rivals A,B] [--seconds S] [--label NAME]
 *
 * The cost of a client that requested 1 GiB and reads nothing, beyond the cost of its socket: compared with the same
 * server and as many idle keep-alive connections that have received a small response.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { holdHot, makeFile, openDataDirectory, requireHot } from './data-files.mjs'
import { describeEnvironment } from './environment.mjs'
import { describeNetwork } from './namespace.mjs'
import { buildNative } from './native/build.mjs'
import { cpuSecondsOf, openFilesLimitOf, openFilesOf, residentBytesOf, threadNamesOf } from './process-tree.mjs'
import { runProgram, wholeNumber } from './program.mjs'
import { median, table } from './report.mjs'
import { requireRivals, runClient, startClient, startRival } from './rivals.mjs'
import { openRun } from './run-directory.mjs'

const LARGE = { file: 'large', bytes: 2 ** 30 }
const SMALL = { file: 'small', bytes: 4096 }

/**
 * Bytes, while the clients are held. Small, because full queues of 5,000 sockets would pass the kernel's tcp_mem limit,
 * where it may drop connections (tcp(7)); the queues of the kernel are not measured here.
 */
const RECEIVE_BUFFER = 4096
const SEND_BUFFER = 65536
const TCP_WMEM = '/proc/sys/net/ipv4/tcp_wmem'

const COLUMNS = [
  'round',
  'rival',
  'held_as',
  'clients',
  'failed',
  'dropped',
  'rss_before',
  'rss_after',
  'rss_per_client',
  'open_files',
  'threads',
  'own_threads',
  'idle_cpu_ms',
  'tcp_mem_pages',
]

const OPTIONS = {
  clients: { type: 'string', default: '5000' },
  rounds: { type: 'string', default: '3' },
  rivals: { type: 'string', default: 'sendfile64' },
  seconds: { type: 'string', default: '5' },
  label: { type: 'string' },
}

/** Compiles the code and starts every thread, so that their cost is not attributed to the clients. */
async function warmUp(port) {
  const small = await runClient(port, [`/${SMALL.file}`], { connections: 64, requests: 100, expect: SMALL.bytes })
  const large = await runClient(port, [`/${LARGE.file}`], { connections: 4, requests: 1, expect: LARGE.bytes })
  const failed = small.failed + large.failed
  if (failed > 0) throw new Error(`${failed} responses failed while the server was warmed up`)
}

/** Waits until the server has used no CPU for a second; a server that is never idle is measured as it is. */
async function settle(pid) {
  for (let turn = 0; turn < 30; turn++) {
    const before = cpuSecondsOf(pid)
    await delay(1000)
    if (cpuSecondsOf(pid) === before) return
  }
}

async function collectedBytes(server) {
  for (let turn = 0; turn < 3; turn++) await server.stats('?gc')
  return residentBytesOf(server.pid)
}

async function idleCpuMs(pid, seconds) {
  const before = cpuSecondsOf(pid)
  await delay(seconds * 1000)
  return (cpuSecondsOf(pid) - before) * 1000
}

const tcpMemPages = () => Number(/^TCP:.* mem (\d+)/m.exec(readFileSync('/proc/net/sockstat', 'utf8'))?.[1])

/**
 * Limits the send buffers of new sockets; returns a function that restores it. The value belongs to the network
 * namespace and does not affect the host. No load may run with it, because one loopback segment is as large.
 */
function limitSendBuffers() {
  if (!describeNetwork().startsWith('own namespace')) return () => {}
  const usual = readFileSync(TCP_WMEM, 'utf8')
  try {
    writeFileSync(TCP_WMEM, `4096 16384 ${SEND_BUFFER}`)
  } catch {
    return () => {} // not permitted in every user namespace: tcp_mem_pages shows the effect
  }
  return () => writeFileSync(TCP_WMEM, usual)
}

/** The state of the server while its clients are held. */
async function inspect(server, held, before, seconds) {
  const after = await collectedBytes(server)
  const threads = threadNamesOf(server.pid)
  return {
    clients: held,
    rss_before: before,
    rss_after: after,
    rss_per_client: (after - before) / held,
    open_files: openFilesOf(server.pid),
    threads: threads.length,
    own_threads: threads.filter((name) => name.startsWith('sendfile64')).length,
    tcp_mem_pages: tcpMemPages(),
    idle_cpu_ms: await idleCpuMs(server.pid, seconds),
  }
}

async function observe(server, mode, settings, root) {
  const { file } = mode === 'stall' ? LARGE : SMALL
  await warmUp(server.port)
  requireHot(join(root, LARGE.file), LARGE.bytes)
  await settle(server.pid)
  const before = await collectedBytes(server)
  const restoreSendBuffers = limitSendBuffers()
  try {
    const load = { connections: settings.clients, [mode]: true, 'receive-buffer': RECEIVE_BUFFER }
    const client = startClient(server.port, [`/${file}`], load)
    const { held, failed } = await client.next()
    await settle(server.pid)
    const seen = await inspect(server, held, before, settings.seconds)
    client.closeStdin()
    const { dropped } = await client.next()
    await client.exited
    return { ...seen, failed, dropped }
  } finally {
    restoreSendBuffers()
  }
}

/** A stream has two descriptors each of its connection and its file while its client does not read. */
const FILES_PER_CLIENT = 4
const OTHER_FILES = 1000

/** At its limit, a server would refuse clients or copy. */
function requireOpenFiles(pid, clients, wanted) {
  const limit = openFilesLimitOf(pid)
  if (limit >= wanted) return
  const fit = Math.floor((limit - OTHER_FILES) / FILES_PER_CLIENT)
  throw new Error(
    `${clients} clients may take ${wanted} descriptors, and ${limit} are allowed: raise 'ulimit -Hn', or take --clients ${fit}`,
  )
}

async function measure(rival, mode, settings, root) {
  const openFiles = settings.clients * FILES_PER_CLIENT + OTHER_FILES
  const server = await startRival(rival, root, { nodeArguments: ['--expose-gc'], openFiles })
  try {
    requireOpenFiles(server.pid, settings.clients, openFiles)
    return { rival, held_as: mode, ...(await observe(server, mode, settings, root)) }
  } finally {
    await server.stop()
  }
}

function summary(rows, rivals) {
  const kib = (bytes) => (bytes === undefined ? '-' : (bytes / 1024).toFixed(2))
  const heading = [
    'rival',
    'KiB a stalled client',
    'KiB an idle socket',
    'KiB beyond it',
    'own threads',
    'open files a client',
    'idle CPU ms',
  ]
  const lines = rivals.map((rival) => {
    const of = (mode, value) =>
      median(rows.filter((row) => row.rival === rival && row.held_as === mode && row.valid).map(value))
    const stalled = of('stall', (row) => row.rss_per_client)
    const idle = of('idle', (row) => row.rss_per_client)
    return [
      rival,
      kib(stalled),
      kib(idle),
      kib(stalled - idle),
      String(of('stall', (row) => row.own_threads) ?? '-'),
      (of('stall', (row) => row.open_files / row.clients) ?? NaN).toFixed(2),
      (of('stall', (row) => row.idle_cpu_ms) ?? NaN).toFixed(0),
    ]
  })
  return table([heading, ...lines])
}

async function runRounds(settings, root, keep) {
  const rows = []
  for (let round = 1; round <= settings.rounds; round++) {
    for (const rival of settings.rivals) {
      for (const mode of ['idle', 'stall']) {
        process.stderr.write(`${round}/${settings.rounds} ${rival} ${mode}\n`)
        const row = { round, ...(await measure(rival, mode, settings, root)) }
        row.valid = row.failed === 0 && row.dropped === 0
        rows.push(row)
        keep(row)
      }
    }
  }
  return rows
}

async function main(settings) {
  buildNative()
  const root = openDataDirectory()
  for (const { file, bytes } of [LARGE, SMALL]) makeFile(join(root, file), bytes)
  const environment = describeEnvironment(root, {
    command: ['bench/idle.mjs', ...process.argv.slice(2)].join(' '),
    'tcp_wmem while clients are held': `4096 16384 ${SEND_BUFFER} (own namespace only)`,
    'served files': await holdHot([LARGE, SMALL].map(({ file }) => join(root, file))),
  })
  const record = openRun({ label: settings.label, file: 'idle.csv', columns: COLUMNS, environment })
  const rows = await runRounds(settings, root, record.add)
  console.log(
    `network: ${describeNetwork()}\n${settings.clients} clients, medians of ${settings.rounds}\n${summary(rows, settings.rivals)}`,
  )
  for (const row of rows.filter(({ valid }) => !valid)) {
    console.log(
      `discarded: round ${row.round}, ${row.rival}, ${row.held_as}: ${row.failed} failed, ${row.dropped} dropped`,
    )
    process.exitCode = 1
  }
  console.log(`rows and environment: ${relative(process.cwd(), record.directory)}`)
}

function settingsOf(values) {
  const rivals = values.rivals.split(',')
  requireRivals(rivals)
  if (rivals.includes('raw')) throw new Error('raw has no JavaScript heap to compare: omit it')
  const numbers = Object.fromEntries(
    ['clients', 'rounds', 'seconds'].map((option) => [option, wholeNumber(values, option)]),
  )
  return { ...values, rivals, ...numbers }
}

await runProgram(import.meta, OPTIONS, settingsOf, main)
