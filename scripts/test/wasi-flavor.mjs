// Preloaded by scripts/test/wasi.sh in every process, by NODE_OPTIONS. The TypeScript loader is a napi-rs addon itself,
// which reads NAPI_RS_WASI_FLAVOR here and in its thread: it starts without it, and is found running afterwards.
const { NAPI_RS_WASI_FLAVOR } = process.env
delete process.env.NAPI_RS_WASI_FLAVOR
try {
  await import('@oxc-node/core/register')
} catch {
  // a process that may not load addons runs plain JavaScript
}
if (NAPI_RS_WASI_FLAVOR !== undefined) process.env.NAPI_RS_WASI_FLAVOR = NAPI_RS_WASI_FLAVOR
