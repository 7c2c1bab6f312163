// The packages of npm/, and the rule of lib/native/load.ts by which they are found.
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

import { PLATFORMS, manifestOf } from '../../scripts/release/platforms.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const manifest = JSON.parse(read('package.json'))
const tuples = readdirSync(join(root, 'npm')).toSorted()

test('npm/ contains exactly what scripts/release/platforms.mjs writes', (t) => {
  t.deepEqual(tuples, PLATFORMS.map(({ tuple }) => tuple).toSorted())
  for (const platform of PLATFORMS)
    t.deepEqual(JSON.parse(read(`npm/${platform.tuple}/package.json`)), manifestOf(platform, manifest), platform.tuple)
})

test('the targets of package.json, deny.toml and npm/ are the same', (t) => {
  const targets = PLATFORMS.map(({ target }) => target).toSorted()
  t.deepEqual(manifest.napi.targets.toSorted(), targets)
  const [, denied = ''] = /^targets = \[([^\]]*)\]/m.exec(read('deny.toml')) ?? []
  t.deepEqual([...denied.matchAll(/"([^"]+)"/g)].map(([, target]) => target).toSorted(), targets)
})

test('lib/native/load.ts lists the platforms that have an addon', (t) => {
  const [, listed = ''] = /PREBUILT[^[]*\[([^\]]*)\]/.exec(read('lib/native/load.ts')) ?? []
  const prebuilt = [...listed.matchAll(/'([^']+)'/g)].map(([, tuple]) => tuple)
  t.deepEqual([...prebuilt, 'wasm32-wasip1'].toSorted(), tuples)
})
