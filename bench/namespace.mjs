/** Sees to it that a benchmark runs in a network namespace of its own. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const script = fileURLToPath(new URL('./in-namespace.sh', import.meta.url))
const paced = 'bbr'

/**
 * Starts the running program again through in-namespace.sh, unless that has been done, and ends with its exit code.
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

/** @returns {string} what the numbers were taken on, with a warning where they say little */
export function describeNetwork() {
  const network = process.env.SENDFILE64_BENCH_NETWORK ?? 'unknown'
  return network.endsWith(paced) ? `${network} (paces loopback: fast servers look alike)` : network
}
