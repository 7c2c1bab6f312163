/** The measured build: that of this checkout, or the dist folder in $BENCH_DIST (`--against`). */
import { pathToFileURL } from 'node:url'

const { BENCH_DIST } = process.env
const dist = BENCH_DIST === undefined ? new URL('../../dist/', import.meta.url) : pathToFileURL(`${BENCH_DIST}/`)

export const { createReadStream, sendfile } = await import(new URL('index.js', dist).href)
