/** The rounds of a soak, see run.mjs. */
import { createCipheriv } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { support } from '../dist/index.js'
import { HttpPair } from './destinations.mjs'
import { judge, sample } from './health.mjs'
import { planOf, SIZES } from './plan.mjs'
import { run } from './transfer.mjs'

/** Concurrent transfers, and transfers between two samples. */
const AT_ONCE = 8
const ROUND = 80
const MIB = 2 ** 20

let seed

/** Pseudorandom bytes that are the same for the same size and key. */
const bytesOf = (size, key) =>
  createCipheriv('aes-128-ctr', Buffer.alloc(16, key), Buffer.alloc(16)).update(Buffer.alloc(size))

const directory = mkdtempSync(join(tmpdir(), 'sendfile64-soak-'))
process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
const files = SIZES.map((size, number) => {
  const path = join(directory, `source-${number}`)
  const bytes = bytesOf(size, number + 1)
  writeFileSync(path, bytes)
  return { path, bytes }
})
const place = { directory, files, surround: bytesOf(MIB, 99), http: new HttpPair() }

for (const event of ['unhandledRejection', 'uncaughtException', 'warning']) {
  process.on(event, (error) => fail(`${event}: ${error?.stack ?? error}`))
}

function fail(what) {
  console.error(`\nFAILED: seed ${seed}: ${what}`)
  process.exit(1)
}

const tally = { transfers: 0, bytes: 0, syscalls: 0, codes: {}, fallbacks: {}, destinations: {} }
const count = (of, what) => {
  of[what] = (of[what] ?? 0) + 1
}

async function one(index) {
  const plan = planOf(seed, index)
  try {
    const { code, bytesSent, syscalls = 0, fallbacks = [] } = await run(plan, place)
    tally.transfers += 1
    tally.bytes += bytesSent
    tally.syscalls += syscalls
    count(tally.codes, code ?? 'none')
    count(tally.destinations, plan.destination)
    for (const { from, to, code: why } of fallbacks) count(tally.fallbacks, `${from} → ${to} ${why}`)
  } catch (error) {
    console.error(`${JSON.stringify(plan)}\nrepeat it: npm run soak -- --seed ${seed} --index ${index}`)
    fail(`transfer ${index}: ${error.stack}`)
  }
}

/** Transfers `first` up to `first + ROUND`, some concurrently. */
async function round(first) {
  let next = first
  const line = async () => {
    while (next < first + ROUND) {
      const index = next
      next += 1
      await one(index)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, line))
}

async function soak(seconds) {
  const samples = []
  const begin = performance.now()
  for (let index = 0; performance.now() - begin < seconds * 1000; index += ROUND) {
    await round(index)
    place.http.rest()
    samples.push(await sample(performance.now() - begin))
  }
  return judge(samples)
}

function print({ found, problems }) {
  if (found === undefined) fail(problems.join())
  const mib = (bytes) => `${(bytes / MIB).toFixed(1)} MiB`
  const list = (of) => Object.entries(of).toSorted(([, a], [, b]) => b - a)
  console.log(`transfers    ${tally.transfers}, ${mib(tally.bytes)}, ${tally.syscalls} system calls`)
  console.log(
    `destinations ${list(tally.destinations)
      .map(([name, number]) => `${name} ${number}`)
      .join(', ')}`,
  )
  console.log(
    `ended with   ${list(tally.codes)
      .map(([code, number]) => `${code} ${number}`)
      .join(', ')}`,
  )
  console.log(
    `fallbacks    ${list(tally.fallbacks)
      .map(([step, number]) => `${step}: ${number}`)
      .join(', ')}`,
  )
  console.log(
    `descriptors  ${found.descriptors.join(' in the first quarter, ')} in the last, of ${found.samples} samples`,
  )
  console.log(
    `resident     ${found.resident.map(mib).join(' → ')}, growth after the first quarter ${mib(found.growth)}`,
  )
  console.log(`threads      ${found.threads[0]} at most, ${found.threads[1]} at least in the last quarter`)
  if (problems.length > 0) fail(problems.join('; '))
}

/** Runs the plan of a seed for some seconds, or only the transfer of one index. */
export async function runSoak({ seconds, index, ...given }) {
  ;({ seed } = given)
  await place.http.listen()
  console.log(`soak of ${seconds} s, seed ${seed}, ${support().binding} binding, Node ${process.version}`)
  if (index === undefined) print(await soak(seconds))
  else await one(index)
  place.http.close()
}
