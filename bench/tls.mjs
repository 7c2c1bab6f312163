/**
 * node bench/tls.mjs [--rounds N] [--size BYTES] [--label NAME]
 *
 * One file over https, where everything is copied: stock, stock with a highWaterMark of 1 MiB, the stream of this
 * package, and `sendfile()`. curl is the client. Server and client are separate processes; rounds are interleaved; CPU
 * is the server's.
 */
import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

import { makeFile, openDataDirectory } from './data-files.mjs'
import { describeEnvironment } from './environment.mjs'
import { runProgram, wholeNumber } from './program.mjs'
import { openRun } from './run-directory.mjs'

const RIVALS = ['stock', 'stock-1m', 'stream', 'sendfile']
const COLUMNS = ['rival', 'round', 'bytes', 'seconds', 'mib_per_s', 'cpu_s_per_gib']
const MIB = 1 << 20

async function measure(rival, path, bytes) {
  const server = fork(new URL('servers/tls.mjs', import.meta.url), [rival, path])
  const [{ port }] = await once(server, 'message')
  const ask = async () => {
    const answered = once(server, 'message')
    server.send('cpu')
    const [{ user, system }] = await answered
    return (user + system) / 1e6
  }
  const get = () =>
    execFileSync(
      'curl',
      ['-sk', '-o', '/dev/null', '-w', '%{time_total} %{size_download}', `https://127.0.0.1:${port}/`],
      {
        encoding: 'utf8',
      },
    )
      .split(' ')
      .map(Number)
  get()
  const before = await ask()
  const [seconds, got] = get()
  const cpu = (await ask()) - before
  server.kill()
  if (got !== bytes) throw new Error(`${rival}: ${got} bytes, not ${bytes}`)
  const figures = { mib_per_s: bytes / MIB / seconds, cpu_s_per_gib: cpu / (bytes / 1024 / MIB) }
  return { rival, bytes, seconds, ...figures }
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1]

const OPTIONS = {
  rounds: { type: 'string', default: '5' },
  size: { type: 'string', default: String(1024 * MIB) },
  label: { type: 'string' },
}

function settingsOf(values) {
  return { rounds: wholeNumber(values, 'rounds'), bytes: wholeNumber(values, 'size'), label: values.label }
}

async function main({ rounds, bytes, label }) {
  const root = openDataDirectory()
  const path = join(root, `${bytes}-bytes`)
  makeFile(path, bytes)
  const environment = describeEnvironment(root, {
    command: ['bench/tls.mjs', ...process.argv.slice(2)].join(' '),
    rounds,
  })
  const record = openRun({ label, file: 'tls.csv', columns: COLUMNS, environment })
  const rows = []
  for (let round = 1; round <= rounds; round++) {
    for (const [index] of RIVALS.entries()) {
      const rival = RIVALS[(index + round) % RIVALS.length]
      rows.push({ ...(await measure(rival, path, bytes)), round })
      record.add(rows.at(-1))
    }
  }
  const of = (rival, key) => rows.filter((row) => row.rival === rival).map((row) => row[key])
  const base = rows.filter(({ rival }) => rival === 'stock-1m')
  for (const rival of RIVALS) {
    const ratio = (key) =>
      median(
        base.map((row) => rows.find((other) => other.rival === rival && other.round === row.round)[key] / row[key]),
      )
    const figures = `${median(of(rival, 'mib_per_s')).toFixed(0)} MiB/s, ${median(of(rival, 'cpu_s_per_gib')).toFixed(2)} CPU s/GiB`
    console.log(
      `${rival.padEnd(9)} ${figures}; to stock-1m: MiB/s ${ratio('mib_per_s').toFixed(2)}, CPU ${ratio('cpu_s_per_gib').toFixed(2)}`,
    )
  }
}

await runProgram(import.meta, OPTIONS, settingsOf, main)
