/**
 * node __test__/differential/suite.mjs [--only TEXT]
 *
 * Runs every scenario with the file streams of Node and of this package, and compares all observations: bytes, event
 * order, counters, headers on the wire, errors, descriptors. Results that vary in Node itself are recognized by
 * repetition: the result of this package must be one that a stock stream has shown. Where the stock stream has a fault,
 * the scenario states both results.
 */
import fs from 'node:fs'
import { isDeepStrictEqual, parseArgs } from 'node:util'
import { createReadStream, ReadStream, support } from '../../dist/index.js'
import { Scene, plain, within } from './scene.mjs'

const GROUPS = [
  'responses',
  'lengths',
  'messages',
  'sockets',
  'uploads',
  'writables',
  'readers',
  'options',
  'constructors',
  'aborts',
  'places',
  'files',
]
const ATTEMPTS = 6
const SCENARIO_LIMIT_MS = 60_000

const stock = { name: 'stock', createReadStream: fs.createReadStream, ReadStream: fs.ReadStream }
const ours = { name: 'sendfile64', createReadStream, ReadStream }
/** Small files are read unless sendfile(2) is forced: they are tested both ways. */
const forced = {
  ...ours,
  name: "sendfile64, method: 'sendfile'",
  createReadStream: (path, options) =>
    createReadStream(path, { ...(typeof options === 'string' ? { encoding: options } : options), method: 'sendfile' }),
}

const { values } = parseArgs({ options: { only: { type: 'string' }, verbose: { type: 'boolean', default: false } } })

function descriptors() {
  return fs.readdirSync('/proc/self/fd').length
}

async function settled(expected) {
  const deadline = performance.now() + 5_000
  while (descriptors() !== expected && performance.now() < deadline) {
    await new Promise((resolve) => {
      setTimeout(resolve, 2)
    })
  }
  return descriptors() - expected
}

/** One run: the observations, and the methods of the streams. */
async function observe(scenario, lib) {
  const before = descriptors()
  const scene = new Scene(lib)
  let seen
  const uncaught = []
  const onUncaught = (error) => uncaught.push(plain(error))
  process.on('uncaughtException', onUncaught)
  try {
    seen = await within(Promise.resolve(scenario.run(scene)), scenario.name, SCENARIO_LIMIT_MS)
  } catch (error) {
    seen = { threw: plain(error) }
  }
  await scene.quiet()
  const transfers = scene.streams.map(({ transfer }) => transfer).filter(Boolean)
  const moved =
    transfers.filter(({ method, bytesSent }) => method === 'sendfile' && bytesSent > 0).length +
    (scene.kernelWas ? 1 : 0)
  const small = transfers.some(({ fallbacks }) => fallbacks.some(({ code }) => code === 'SMALL'))
  const figures = scene.streams.map(({ bytesRead, pos, destroyed }) => ({ bytesRead, pos, destroyed }))
  await scene.finish()
  const leaked = await settled(before)
  process.off('uncaughtException', onUncaught)
  const unordered = scene.unordered.toSorted()
  const record = {
    seen,
    events: scene.events,
    unordered,
    uncaught,
    leaked,
    ...(scenario.figures === false ? {} : { figures }),
  }
  return { record: JSON.parse(JSON.stringify(record)), moved, small }
}

function problemOf(scenario, { record, moved, small }) {
  const kernel = 'kernel' in scenario ? scenario.kernel : true
  if (record.seen?.threw !== undefined) return 'the scenario itself has failed'
  if (kernel === true && moved === 0 && !small) return 'the kernel has moved nothing'
  return kernel === false && moved > 0 ? 'the kernel has moved it' : undefined
}

/** Whether a stock outcome equals that of this package; both are repeated until one does. */
async function compare(scenario, lib = ours) {
  const outcomes = []
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    outcomes.push((await observe(scenario, stock)).record)
    const { record, moved, small } = await observe(scenario, lib)
    const problem = problemOf(scenario, { record, moved, small })
    const agrees = outcomes.some((outcome) => isDeepStrictEqual(outcome, record))
    if (agrees && problem === undefined) return small && lib === ours ? compare(scenario, forced) : { attempt, moved }
    if (attempt === ATTEMPTS) {
      return { attempt, moved, problem: `${problem ?? 'differs from stock'} (${lib.name})`, outcomes, record }
    }
  }
}

/** Where the stock stream has a fault: both show exactly the results of the scenario. */
async function compareFault(scenario, lib = ours) {
  const theirs = await observe(scenario, stock)
  const { record, moved, small } = await observe(scenario, lib)
  const agrees = isDeepStrictEqual(theirs.record.seen, scenario.fault.stock)
  const problem = agrees ? 'differs from what is said' : 'stock differs from what is said of it'
  const isRight = agrees && isDeepStrictEqual(record.seen, scenario.fault.ours) && record.uncaught.length === 0
  if (!isRight) return { attempt: 1, moved, problem: `${problem} (${lib.name})`, outcomes: [theirs.record], record }
  return small && lib === ours ? compareFault(scenario, forced) : { attempt: 1, moved }
}

function report({ name }, { problem, outcomes, record }) {
  console.log(`DIFFERS ${name}: ${problem}`)
  console.log(`  stock ${JSON.stringify(outcomes.at(-1))}`)
  console.log(`  ours  ${JSON.stringify(record)}`)
}

const scenarios = []
for (const group of GROUPS) {
  const { scenarios: found } = await import(`./scenarios/${group}.mjs`)
  scenarios.push(...found.map((scenario) => Object.assign(scenario, { name: `${group}: ${scenario.name}` })))
}
const names = new Set(scenarios.map(({ name }) => name))
if (names.size !== scenarios.length) throw new Error('two scenarios have the same name')
const chosen = scenarios.filter(({ name }) => values.only === undefined || name.includes(values.only))
if (chosen.length === 0) throw new Error(`no scenario has '${values.only}' in its name`)
if (support().binding !== 'native') throw new Error(`the addon is not loaded: ${support().reason}`)

// Threads and their descriptors are created with the first use and must not be counted as a leak.
for (const lib of [stock, ours]) await observe(scenarios[0], lib)

process.exitCode = 1 // until the summary is written
let differing = 0
let kernel = 0
let repeated = 0
const started = performance.now()
for (const scenario of chosen) {
  const at = performance.now()
  const result = await (scenario.fault === undefined ? compare(scenario) : compareFault(scenario))
  if (result.problem !== undefined) {
    differing += 1
    report(scenario, result)
  }
  if (result.moved > 0) kernel += 1
  if (result.attempt > 1) repeated += 1
  if (values.verbose)
    console.log(`${(performance.now() - at).toFixed(0)} ms, ${result.attempt}x, ${result.moved}k  ${scenario.name}`)
}
const seconds = ((performance.now() - started) / 1000).toFixed(0)
console.log(
  `Node ${process.version}: ${chosen.length} scenarios, ${kernel} by the kernel, ${repeated} needed repetition, ${differing} differ (${seconds} s)`,
)
process.exit(differing === 0 ? 0 : 1)
