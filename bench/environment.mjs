/** Facts that a reader needs to judge the numbers of a run. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { arch, availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os'
import { fileURLToPath } from 'node:url'
import { describeNetwork } from './namespace.mjs'
import { SENDING_THREADS } from './rivals.mjs'

const project = fileURLToPath(new URL('..', import.meta.url))

function output(program, ...arguments_) {
  try {
    return execFileSync(program, arguments_, {
      cwd: project,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    return 'unknown'
  }
}

function commit() {
  const changed = output('git', 'status', '--porcelain', '--', '.', ':!bench/runs')
  return `${output('git', 'rev-parse', 'HEAD')}${changed === '' ? '' : ' with local changes'}`
}

function sysctl(name) {
  const path = `/proc/sys/net/ipv4/${name}`
  return existsSync(path) ? readFileSync(path, 'utf8').trim().replace(/\s+/g, ' ') : 'unknown'
}

/** A kdamond thread may drop pages of the served files (mm/damon, since Linux 5.16). */
const reclaimsProactively = () => output('ps', '-e', '-o', 'comm=').includes('kdamond')

/**
 * @param {string} dataDirectory
 * @param {Record<string, string | number>} settings values added by the benchmark
 * @returns {string} one `name: value` a line
 */
export function describeEnvironment(dataDirectory, settings) {
  const facts = {
    date: new Date().toISOString(),
    commit: commit(),
    machine: `${cpus()[0]?.model ?? 'unknown'}, ${availableParallelism()} processors shared by client and server, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    kernel: `${type()} ${release()} ${arch()}`,
    node: process.version,
    compiler: output(process.env.CC ?? 'cc', '--version').split('\n', 1)[0],
    network: describeNetwork(),
    tcp_wmem: sysctl('tcp_wmem'),
    tcp_rmem: sysctl('tcp_rmem'),
    'data file system': output('stat', '-f', '-c', '%T', dataDirectory),
    'load average at the start': loadavg()
      .map((value) => value.toFixed(2))
      .join(' '),
    'sending threads of the raw server': SENDING_THREADS,
    'proactive reclaim (DAMON)': reclaimsProactively() ? 'running' : 'not seen',
    SENDFILE64: process.env.SENDFILE64 ?? '(unset)',
    ...settings,
  }
  return Object.entries(facts)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join('')
}
