// The rule of lib/native/load.ts, in separate processes: which binding is loaded, and why not another.
import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'ava'

import { support, type Support } from '../../index.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { secondCopy } from '../fixtures/second-copy.ts'

const addonIsBuilt = support().binding === 'native'
const addonTest = addonIsBuilt ? test : test.skip

/** The result of support() in a copy of the package. */
function supportIn(entry: string, env: NodeJS.ProcessEnv = {}): Support {
  const script = 'const { support } = await import(process.argv[1]); console.log(JSON.stringify(support()))'
  const args = ['--input-type=module', '--eval', script, entry]
  const all = { ...process.env, NODE_OPTIONS: '--disable-warning=ExperimentalWarning', ...env }
  return JSON.parse(execFileSync(process.execPath, args, { env: all, encoding: 'utf8', timeout: 30_000 }))
}

addonTest('an addon of another version is not used, and the reason says so', (t) => {
  const entry = secondCopy()
  const folder = dirname(entry)
  const { version } = support()
  const other = version.replaceAll(/\d/g, '9')
  for (const name of readdirSync(folder).filter((name) => name.endsWith('.node'))) {
    const bytes = readFileSync(join(folder, name))
    t.not(bytes.indexOf(version), -1, 'the addon says its version')
    bytes.write(other, bytes.indexOf(version))
    writeFileSync(join(folder, name), bytes)
  }
  const { binding, reason } = supportIn(entry)
  t.not(binding, 'native')
  t.true(String(reason).includes(`has version ${other}, not ${version}`), reason)
})

addonTest('NAPI_RS_NATIVE_LIBRARY_PATH names the addon', (t) => {
  const entry = secondCopy()
  const addon = readdirSync(dirname(entry)).find((name) => name.endsWith('.node')) ?? ''
  const path = join(dirname(secondCopy()), addon)
  t.is(supportIn(entry, { NAPI_RS_NATIVE_LIBRARY_PATH: path }).binding, 'native')
})

addonTest('a file that is not an addon is named in the reason, with the error of the system', (t) => {
  const { path } = sampleFile(1000)
  const { binding, reason } = supportIn(secondCopy(), { NAPI_RS_NATIVE_LIBRARY_PATH: path })
  t.not(binding, 'native')
  t.true(String(reason).includes(path), reason)
})

addonTest('NAPI_RS_WASI_FLAVOR skips the addon', (t) => {
  const { binding, reason } = supportIn(secondCopy(), { NAPI_RS_WASI_FLAVOR: 'wasm32-wasip1' })
  t.not(binding, 'native')
  t.regex(String(reason), /NAPI_RS_WASI_FLAVOR=wasm32-wasip1 selects the WASI flavor/)
})
