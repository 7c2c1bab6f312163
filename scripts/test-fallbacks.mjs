// `npm run test:fallbacks`: the contract once per switch of SENDFILE64_WITHOUT. A run counts only if the line that
// __test__/contract/binding.spec.ts prints says that the bytes really went another way.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

// What cannot be seen from JavaScript (cachestat, readnowait) is seen by strace in __test__/switches.spec.ts
const RUNS = [
  ['sendfile', 'executor=kernel method=copy fallback=ENOSYS open=at-once'],
  ['openat2', 'executor=kernel method=sendfile fallback=none open=later'],
  ['cachestat', 'executor=kernel method=sendfile fallback=none open=at-once'],
  ['readnowait', 'executor=kernel method=sendfile fallback=none open=at-once'],
  ['sendfile,openat2,cachestat,readnowait', 'executor=kernel method=copy fallback=ENOSYS open=later'],
]

/** Answers what is wrong with the run, undefined if nothing. */
function runWithout(features, expected) {
  console.log(`\n== without ${features}`)
  const { status, stdout, error } = spawnSync(
    process.execPath,
    ['node_modules/ava/entrypoints/cli.mjs', '__test__/contract/**/*.spec.ts'],
    {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: 1 << 28,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, SENDFILE64_WITHOUT: features, SENDFILE64_EXPECT_BINDING: 'native' },
    },
  )
  if (error) return `ava could not be started: ${error.message}`
  const [path] = /contract: .*$/m.exec(stdout) ?? []
  console.log(path ?? 'no line says which path ran')
  if (status !== 0) {
    console.log(stdout.replace(/^.*✔.*\n/gm, ''))
    return `exit code ${status}`
  }
  console.log(/\d+ tests? passed/.exec(stdout)?.[0])
  return path === `contract: binding=native ${expected}` ? undefined : `expected the path ${expected}`
}

const problems = RUNS.map(([features, expected]) => [features, runWithout(features, expected)]).filter(
  ([, problem]) => problem !== undefined,
)
for (const [features, problem] of problems) console.error(`test-fallbacks: without ${features}: ${problem}`)
process.exitCode = problems.length === 0 ? 0 : 1
