/** The code of stock.mjs with the createReadStream of sendfile64. Its stats also have the methods of the bodies. */
import fs from 'node:fs'
import { serve, streamFile } from './http-server.mjs'
import { createReadStream } from './package.mjs'

const methods = {}

/** `segment` in bytes, for comparing fixed sizes: $BENCH_SEGMENT. */
const segment = process.env.BENCH_SEGMENT ? Number(process.env.BENCH_SEGMENT) : undefined

function create(path, options) {
  const stream = createReadStream(path, segment === undefined ? options : { ...options, segment })
  stream.on('close', () => {
    const { method } = stream.transfer ?? {}
    methods[method] = (methods[method] ?? 0) + 1
  })
  return stream
}

const streams = { ...fs, createReadStream: create }

serve(
  (path, res) => streamFile(streams, path, res),
  () => ({ methods }),
)
