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
    runtime: `Node.js ${process.versions.node}`,
    executor: 'kernel',
    methods: found.methods,
    features: found.features,
  })
})

test('says of every method whether it can be used', (t) => {
  const { methods } = support()
  const available = { state: 'available' as const }
  t.deepEqual(methods, { sendfile: available, splice: available, copy_file_range: available, copy: available })
})

test('says of what makes transfers faster whether it is known to be there', (t) => {
  const { features } = support()
  t.deepEqual(Object.keys(features).toSorted(), ['cachestat', 'openat2', 'readnowait', 'reopen'])
  const without = supportWith({ SENDFILE64_WITHOUT: 'openat2,reopen' }).features
  t.deepEqual(without.openat2, { state: 'unavailable', code: 'ENOSYS' })
  t.deepEqual(without.reopen, { state: 'unavailable', code: 'ENOSYS' })
  t.deepEqual(without.cachestat, { state: 'not-probed' })
})

test('SENDFILE64=off leaves everything to JavaScript', (t) => {
  t.is(supportWith({ SENDFILE64: 'off' }).executor, 'portable')
})

test('every call gives an object of its own', (t) => {
  const spoilt = support()
  spoilt.methods.sendfile.state = 'unavailable'
  spoilt.version = '0'
  t.is(support().methods.sendfile.state, 'available')
  t.not(support().version, '0')
})

test('a method that is not there is unavailable, with the code of the answer', (t) => {
  const without = { SENDFILE64_WITHOUT: 'sendfile,splice,copy_file_range' }
  const { binding, methods } = supportWith(without)
  const unavailable = { state: 'unavailable' as const, code: 'ENOSYS' }
  t.is(binding, 'native')
  t.deepEqual(methods, {
    sendfile: unavailable,
    splice: unavailable,
    copy_file_range: unavailable,
    copy: { state: 'available' },
  })
})

test('a switch that is not known is a warning, not an error', (t) => {
  const env = { ...process.env, SENDFILE64_WITHOUT: 'openat2,teleport' }
  const { status, stderr, stdout } = spawnSync(process.execPath, node, { env, encoding: 'utf8', timeout: 20_000 })
  t.is(status, 0)
  t.regex(stderr, /\[SENDFILE64_WITHOUT\].*unknown feature 'teleport'/)
  t.notRegex(stderr, /openat2'/)
  t.like(JSON.parse(stdout), { binding: 'native' })
})
