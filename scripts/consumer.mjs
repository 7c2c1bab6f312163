// Runs inside an empty project that holds only the packed package: both entries load and share one state.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'

const imported = await import('sendfile64')
const required = createRequire(import.meta.url)('sendfile64')
assert.deepEqual(
  Object.keys(required).toSorted(),
  Object.keys(imported).toSorted(),
  'both entries export the same names',
)
for (const name of ['sendfile', 'sendfileSync', 'support', 'SendfileError'])
  assert.equal(required[name], imported[name], `${name} is the same function by import and by require`)

const { binding, reason } = imported.support()
assert.equal(binding, 'native', `the native addon is loaded: ${reason}`)
console.log(`consumer: import and require agree on Node ${process.version}, binding ${binding}`)
