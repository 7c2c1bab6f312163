// Loads the addon named in SENDFILE64_SANITIZED in place of the one that is found; the sanitizer must be there already.
// usage: NODE_OPTIONS=--import=…/sanitized-addon.mjs, so that workers and child processes do the same
//
// Not NAPI_RS_NATIVE_LIBRARY_PATH: every napi-rs package of the process obeys it, and would load our addon as its own.
import { readFileSync } from 'node:fs'

const path = process.env.SENDFILE64_SANITIZED
if (path === undefined) throw new Error('SENDFILE64_SANITIZED names no addon')
if (!readFileSync('/proc/self/maps', 'utf8').includes('libclang_rt.asan')) throw new Error('no sanitizer is preloaded')

const { dlopen } = process
process.dlopen = (module, filename, ...flags) => {
  const isOurs = /[\\/]sendfile64\.[^\\/]*\.node$/.test(filename)
  return dlopen.call(process, module, isOurs ? path : filename, ...flags)
}
