import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import os from 'node:os'
import { fileURLToPath } from 'node:url'

import test from 'ava'

import { support, type Support } from '../../index.ts'
import { TYPESCRIPT } from '../fixtures/child-process.ts'
import { IN_KERNEL, kernelTest } from '../fixtures/executor.ts'

const child = fileURLToPath(new URL('../fixtures/children/print-support.ts', import.meta.url))
const node = [TYPESCRIPT, child]

/** The result of support() in another process. */
function supportWith(env: NodeJS.ProcessEnv): Support {
  const text = execFileSync(process.execPath, node, { env: { ...process.env, ...env }, timeout: 20_000 })
  return JSON.parse(text.toString())
}

test('reports which binding is loaded and its path', (t) => {
  const { reason, ...found } = support()
  t.is(reason === undefined, IN_KERNEL, reason)
  const manifest: { version: string } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  t.deepEqual(found, {
    binding: IN_KERNEL ? 'native' : 'wasm32-wasip1',
    version: manifest.version,
    platform: `${process.platform}-${process.arch}`,
    kernel: `${os.type()} ${os.release()}`,
    runtime: `Node.js ${process.versions.node}`,
    executor: IN_KERNEL ? 'kernel' : 'portable',
    methods: found.methods,
    features: found.features,
  })
})

test('reports for every method whether it can be used', (t) => {
  const { methods } = support()
  const available = { state: 'available' as const }
  const call = IN_KERNEL ? available : { state: 'unavailable' as const, code: 'ENOSYS' }
  t.deepEqual(methods, { sendfile: call, splice: call, copy_file_range: call, copy: available })
})

kernelTest('reports for each optimization whether it is known to be available', (t) => {
  const { features } = support()
  t.deepEqual(Object.keys(features).toSorted(), ['cachestat', 'mincore', 'openat2', 'readnowait', 'recency', 'reopen'])
  const without = supportWith({ SENDFILE64_WITHOUT: 'openat2,reopen' }).features
  t.deepEqual(without.openat2, { state: 'unavailable', code: 'ENOSYS' })
  t.deepEqual(without.reopen, { state: 'unavailable', code: 'ENOSYS' })
  t.deepEqual(without.cachestat, { state: 'not-probed' })
})

test('SENDFILE64=off makes JavaScript do everything', (t) => {
  t.is(supportWith({ SENDFILE64: 'off' }).executor, 'portable')
})

test('every call returns a new object', (t) => {
  const spoilt = support()
  spoilt.methods.copy.state = 'unavailable'
  spoilt.version = '0'
  t.is(support().methods.copy.state, 'available')
  t.not(support().version, '0')
})

kernelTest('a method that the kernel lacks is unavailable, with the errno as code', (t) => {
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

kernelTest('an unknown switch causes a warning, not an error', (t) => {
  const env = { ...process.env, SENDFILE64_WITHOUT: 'openat2,teleport' }
  const { status, stderr, stdout } = spawnSync(process.execPath, node, { env, encoding: 'utf8', timeout: 20_000 })
  t.is(status, 0)
  t.regex(stderr, /\[SENDFILE64_WITHOUT\].*unknown feature 'teleport'/)
  t.notRegex(stderr, /openat2'/)
  t.like(JSON.parse(stdout), { binding: 'native' })
})

// a checkout may not have built it
const wasiIsBuilt = existsSync(new URL('../../sendfile64.wasip1.cjs', import.meta.url))

test('without the addon the WASI flavor is loaded, and the reason is reported', (t) => {
  const { binding, reason, executor, methods } = supportWith({ SENDFILE64_WITHOUT: 'addon' })
  t.is(binding, wasiIsBuilt ? 'wasm32-wasip1' : 'none')
  t.regex(String(reason), /SENDFILE64_WITHOUT disables the addon|NAPI_RS_WASI_FLAVOR/)
  t.is(executor, 'portable')
  t.deepEqual(methods.sendfile, { state: 'unavailable', code: 'ENOSYS' })
  t.is(methods.copy.state, wasiIsBuilt ? 'available' : 'unavailable')
})

test('without either binding, the reason names what was tried and what to do', (t) => {
  const { binding, reason, methods } = supportWith({ SENDFILE64_WITHOUT: 'addon,wasi' })
  t.is(binding, 'none')
  t.regex(String(reason), /disables the addon|NAPI_RS_WASI_FLAVOR/)
  t.regex(String(reason), /disables the WASI flavor/)
  t.regex(String(reason), /npm install sendfile64 --include=optional/)
  t.is(methods.copy.state, 'unavailable')
})

test('the WASI flavor is not loaded before its first use, because Node warns that it is experimental', (t) => {
  const script = "await import('./index.ts'); process.stderr.write('imported')"
  const args = [TYPESCRIPT, '--input-type=module', '--eval', script]
  const env = { ...process.env, SENDFILE64_WITHOUT: 'addon', NODE_OPTIONS: '', NAPI_RS_WASI_FLAVOR: '' }
  const cwd = fileURLToPath(new URL('../..', import.meta.url))
  const { stderr } = spawnSync(process.execPath, args, { env, cwd, encoding: 'utf8', timeout: 20_000 })
  t.is(stderr, 'imported')
})
