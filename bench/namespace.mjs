/** Runs a benchmark in its own network namespace. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const script = fileURLToPath(new URL('./in-namespace.sh', import.meta.url))
const paced = 'bbr'

/**
 * Restarts the running program through in-namespace.sh, unless it runs there already, and ends with its exit code.
 * Without bash the host's network is used.
 */
export function enterNamespace() {
  if (process.env.SENDFILE64_BENCH_NETWORK) return
  const { status, error } = spawnSync('bash', [script, process.execPath, ...process.argv.slice(1)], {
    stdio: 'inherit',
  })
  if (!error) process.exit(status ?? 1)
  const control = readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').trim()
  process.env.SENDFILE64_BENCH_NETWORK = `host network, ${control}`
}

/** @returns {string} the network of the measurement, with a warning if the numbers are not meaningful */
export function describeNetwork() {
  const network = process.env.SENDFILE64_BENCH_NETWORK ?? 'unknown'
  return network.endsWith(paced) ? `${network} (paces loopback: fast servers look alike)` : network
}
