/** One round: one rival, one scenario, one row. */
import { join } from 'node:path'
import { requireHot, residency } from './data-files.mjs'
import { cpuSecondsOf, machineBusySeconds, residentBytesOf } from './process-tree.mjs'
import { runClient, startRival } from './rivals.mjs'

const MIB = 1024 * 1024
const GIB = 1024 * MIB

/** The columns of raw.csv, in order. See README.md. */
export const COLUMNS = [
  'scenario',
  'round',
  'position',
  'rival',
  'valid',
  'seconds',
  'requests',
  'bytes',
  'failed',
  'short',
  'mib_per_s',
  'requests_per_s',
  'p50_us',
  'p99_us',
  'server_cpu_s',
  'cpu_s_per_gib',
  'cpu_us_per_request',
  'loop_active_ms',
  'loop_active_ms_per_gib',
  'client_cpu_s',
  'client_busy',
  'other_cpu_s',
  'resident_after',
  'server_rss_mib',
  'methods',
]

async function snapshot(server) {
  const { activeMs, methods = {}, errors = {} } = await server.stats()
  return { activeMs, methods, errors, cpu: cpuSecondsOf(server.pid), machine: machineBusySeconds() }
}

/** Differences of two tables of counts, as `sendfile:12 copy:3`. */
function counted(before, after) {
  return Object.entries(after)
    .map(([key, value]) => [key, value - (before[key] ?? 0)])
    .filter(([, value]) => value > 0)
    .map(([key, value]) => `${key}:${value}`)
    .join(' ')
}

function rowOf(client, before, after) {
  const gib = client.bytes / GIB
  const cpu = after.cpu - before.cpu
  const active = after.activeMs === undefined ? undefined : after.activeMs - before.activeMs
  return {
    valid: client.failed === 0 && client.requests > 0 ? 1 : 0,
    seconds: client.seconds,
    requests: client.requests,
    bytes: client.bytes,
    failed: client.failed,
    short: client.short,
    mib_per_s: client.bytes / MIB / client.seconds,
    requests_per_s: client.requests / client.seconds,
    p50_us: client.p50us,
    p99_us: client.p99us,
    server_cpu_s: cpu,
    cpu_s_per_gib: cpu / gib,
    cpu_us_per_request: (cpu * 1e6) / client.requests,
    loop_active_ms: active,
    loop_active_ms_per_gib: active === undefined ? undefined : active / gib,
    client_cpu_s: client.cpuSeconds,
    other_cpu_s: Math.max(0, after.machine - before.machine - cpu - client.cpuSeconds),
    methods: [counted(before.methods, after.methods), counted(before.errors, after.errors)].filter(Boolean).join(' '),
  }
}

function residentShare(path) {
  const { resident, pages } = residency(path)
  return resident / pages
}

/**
 * Starts the rival, warms it up, measures it and stops it.
 *
 * @param {ReturnType<import('./scenarios.mjs').scenarios>[number]} scenario
 * @param {string} rival
 * @param {{ root: string, rivalArguments: string[], user?: number }} options
 */
export async function measure(scenario, rival, { root, rivalArguments, user }) {
  const path = `/${scenario.file}`
  const server = await startRival(rival, root, { rivalArguments, user })
  try {
    const warmUp = await runClient(server.port, [path], scenario.warmUp)
    requireHot(join(root, scenario.file), scenario.bytes)
    const before = await snapshot(server)
    const client = await runClient(server.port, [path], scenario.load)
    const after = await snapshot(server)
    client.failed += warmUp.failed
    client.short += warmUp.short
    return {
      scenario: scenario.name,
      rival,
      ...rowOf(client, before, after),
      client_busy: client.cpuSeconds / client.seconds / scenario.threads,
      resident_after: residentShare(join(root, scenario.file)),
      server_rss_mib: residentBytesOf(server.pid) / MIB,
    }
  } finally {
    await server.stop()
  }
}

/**
 * The status and headers a rival sends, without the time: differences between rivals would affect the measured speed.
 *
 * @returns {Promise<string>}
 */
export async function headersOf(rival, path, { root, rivalArguments }) {
  const server = await startRival(rival, root, { rivalArguments })
  try {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`)
    await response.arrayBuffer()
    const fields = [...response.headers].filter(([name]) => name !== 'date').map(([name, value]) => `${name}=${value}`)
    return `${response.status} ${fields.join(' ')}`
  } finally {
    await server.stop()
  }
}
