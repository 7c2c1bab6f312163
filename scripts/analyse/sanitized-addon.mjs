// Loads the addon in SENDFILE64_SANITIZED instead of the one that lib/native/load.ts finds; the sanitizer must be
// preloaded.
// usage: NODE_OPTIONS=--import=…/sanitized-addon.mjs, so that workers and child processes do so as well
//
// Not NAPI_RS_NATIVE_LIBRARY_PATH: every napi-rs package of the process reads it, and would load this addon as its own.
import { readFileSync } from 'node:fs'

const path = process.env.SENDFILE64_SANITIZED
if (path === undefined) throw new Error('SENDFILE64_SANITIZED is not set')
if (!readFileSync('/proc/self/maps', 'utf8').includes('libclang_rt.asan'))
  throw new Error('the runtime of the sanitizer is not preloaded')

const { dlopen } = process
process.dlopen = (module, filename, ...flags) => {
  const isOurs = /[\\/]sendfile64\.[^\\/]*\.node$/.test(filename)
  return dlopen.call(process, module, isOurs ? path : filename, ...flags)
}
