// Preloaded by scripts/test-wasi.sh after the TypeScript loader. That loader is a napi-rs addon itself and reads the
// same variable, so it must not be in the environment from the start.
process.env.NAPI_RS_WASI_FLAVOR = 'wasm32-wasip1'
