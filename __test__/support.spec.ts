import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import os from 'node:os'
import { fileURLToPath } from 'node:url'

import test from 'ava'

import { support, type Support } from '../index.ts'

const child = fileURLToPath(new URL('fixtures/children/print-support.ts', import.meta.url))
const node = ['--import=@oxc-node/core/register', child]

/** What support() says in another process. */
function supportWith(env: NodeJS.ProcessEnv): Support {
  const text = execFileSync(process.execPath, node, { env: { ...process.env, ...env }, timeout: 20_000 })
  return JSON.parse(text.toString())
}

test('says which binding is loaded, and where', (t) => {
  const found = support()
  const manifest: { version: string } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  t.deepEqual(found, {
    binding: 'native',
    version: manifest.version,
    platform: `${process.platform}-${process.arch}`,
    kernel: `${os.type()} ${os.release()}`,
    methods: found.methods,
  })
})

test('says of every method whether it can be used', (t) => {
  const { methods } = support()
  t.deepEqual(methods, { sendfile: { state: 'available' }, copy: { state: 'available' } })
})

test('every call gives an object of its own', (t) => {
  const spoilt = support()
  spoilt.methods.sendfile.state = 'unavailable'
  spoilt.version = '0'
  t.is(support().methods.sendfile.state, 'available')
  t.not(support().version, '0')
})

test('a method that is not there is unavailable, with the code of the answer', (t) => {
  const { binding, methods } = supportWith({ SENDFILE64_WITHOUT: 'sendfile' })
  t.is(binding, 'native')
  t.deepEqual(methods, { sendfile: { state: 'unavailable', code: 'ENOSYS' }, copy: { state: 'available' } })
})

test('a switch that is not known is a warning, not an error', (t) => {
  const env = { ...process.env, SENDFILE64_WITHOUT: 'openat2,teleport' }
  const { status, stderr, stdout } = spawnSync(process.execPath, node, { env, encoding: 'utf8', timeout: 20_000 })
  t.is(status, 0)
  t.regex(stderr, /\[SENDFILE64_WITHOUT\].*unknown feature 'teleport'/)
  t.notRegex(stderr, /openat2'/)
  t.like(JSON.parse(stdout), { binding: 'native' })
})
