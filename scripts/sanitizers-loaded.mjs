// Fails unless this process has loaded the addon at the path given, with a sanitizer under it.
// usage: node sanitizers-loaded.mjs PATH
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const [path] = process.argv.slice(2)
const { __napiBindingTarget: target } = createRequire(import.meta.url)('../binding.cjs')
const maps = readFileSync('/proc/self/maps', 'utf8')
const missing = [path, 'libclang_rt.asan'].filter((part) => !maps.includes(part))
if (target !== 'native' || missing.length > 0) {
  console.error(`sanitizers: loaded '${target}', without ${missing.join(' and ') || 'anything missing'}`)
  process.exitCode = 1
}
