// `npm run test:fallbacks`: the contract once per switch of SENDFILE64_WITHOUT and per word of SENDFILE64. A run passes
// only if the line printed by __test__/contract/binding.spec.ts shows that another method was really used.
// usage: npm run test:fallbacks [-- WORD]   (WORD: only runs whose name contains it)
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import { Misused, program } from '../dev/program.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))

// Calls that JavaScript cannot observe (cachestat, readnowait, mincore) are observed by strace in
// __test__/native/switches.spec.ts
const without = (features, expected, open = 'at-once') => ({
  name: `SENDFILE64_WITHOUT=${features}`,
  expected: `executor=kernel ${expected} open=${open}`,
})
const ALL = 'sendfile,splice,copy_file_range,openat2,cachestat,readnowait,mincore,recency,reopen,statmount'
const USUAL = 'socket=sendfile file=copy_file_range pipe=sendfile splice=splice'
const RUNS = [
  without('sendfile', 'socket=ENOSYS>copy file=copy_file_range pipe=ENOSYS>copy splice=splice'),
  without('splice', 'socket=sendfile file=copy_file_range pipe=sendfile splice=ENOSYS'),
  without('copy_file_range', 'socket=sendfile file=ENOSYS>sendfile pipe=sendfile splice=splice'),
  without('sendfile,copy_file_range', 'socket=ENOSYS>copy file=ENOSYS>ENOSYS>copy pipe=ENOSYS>copy splice=splice'),
  without('reopen', 'socket=sendfile file=copy_file_range pipe=EAGAIN>splice splice=splice'),
  without('openat2', USUAL, 'later'),
  without('statmount', USUAL, 'later'), // a thread opens the first file of a mount
  without('cachestat', USUAL),
  without('readnowait', USUAL),
  without('cachestat,readnowait,recency', USUAL), // by mincore
  without('cachestat,readnowait,mincore', USUAL), // by recency
  without('cachestat,readnowait,mincore,recency', USUAL),
  without(ALL, 'socket=ENOSYS>copy file=ENOSYS>ENOSYS>copy pipe=ENOSYS splice=ENOSYS', 'later'),
  {
    name: 'SENDFILE64=copy',
    expected: 'executor=kernel socket=copy file=copy pipe=copy splice=splice open=at-once',
  },
  {
    name: 'SENDFILE64=off',
    expected: 'executor=portable socket=PLATFORM>copy file=PLATFORM>copy pipe=PLATFORM>copy splice=refused open=later',
  },
]

/** Returns the problem of the run, or undefined. */
function run({ name, expected }) {
  console.log(`\n== ${name}`)
  const [variable, value] = name.split('=')
  const { status, stdout, error } = spawnSync(
    process.execPath,
    ['node_modules/ava/entrypoints/cli.mjs', '__test__/contract/**/*.spec.ts'],
    {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: 1 << 28,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, [variable]: value, SENDFILE64_EXPECT_BINDING: 'native' },
    },
  )
  if (error) return `ava could not be started: ${error.message}`
  const [path] = /contract: .*$/m.exec(stdout) ?? []
  console.log(path ?? 'the line with the path was not printed')
  if (status !== 0) {
    console.log(stdout.replace(/^.*✔.*\n/gm, ''))
    return `exit code ${status}`
  }
  console.log(/\d+ tests? passed/.exec(stdout)?.[0])
  return path === `contract: binding=native ${expected}` ? undefined : `expected the path ${expected}`
}

await program(import.meta, { positionals: true }, ({ positionals: [word = ''] }) => {
  const chosen = RUNS.filter(({ name }) => name.includes(word))
  if (chosen.length === 0) throw new Misused(`no run has ${word} in its name`)
  const problems = chosen.map((one) => [one.name, run(one)]).filter(([, problem]) => problem !== undefined)
  for (const [name, problem] of problems) console.error(`test/fallbacks: ${name}: ${problem}`)
  return problems.length === 0 ? 0 : 1
})
