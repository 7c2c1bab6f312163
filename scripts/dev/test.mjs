// `npm test`: installs and builds what is missing, then the Rust tests and the TypeScript suite on the running Node.
import { program } from './program.mjs'
import { heading, provision, run } from './provision.mjs'

const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`

function timed(name, body) {
  const start = performance.now()
  const code = body()
  return { name, passed: code === 0, took: seconds(start) }
}

function runSuite(name, program, args) {
  heading(name)
  return timed(name, () => run(program, args))
}

await program(import.meta, {}, () => {
  const prepared = timed('install and build', () => {
    provision()
    return 0
  })
  const results = [
    prepared,
    runSuite('Rust tests', 'cargo', ['test', '--workspace', '--quiet', '--no-fail-fast']),
    runSuite(`TypeScript suite on Node ${process.version}`, process.execPath, ['node_modules/ava/entrypoints/cli.mjs']),
  ]
  heading('summary')
  for (const { name, passed, took } of results)
    console.log(`${passed ? 'passed' : 'FAILED'}  ${took.padStart(8)}  ${name}`)
  return results.every(({ passed }) => passed) ? 0 : 1
})
