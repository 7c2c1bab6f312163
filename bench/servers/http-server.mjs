/** The common part of every Node server here, so that they differ only in how the body is sent. */
import { createServer } from 'node:http'
import { performance } from 'node:perf_hooks'

export const CONTENT_TYPE = 'application/octet-stream'

/** Milliseconds; the raw server sends the same time in its Keep-Alive header. */
const KEEP_ALIVE_TIMEOUT = 600_000
const BACKLOG = 4096

function answerStats(req, res, details) {
  if (req.url.endsWith('?gc')) globalThis.gc?.()
  const { active } = performance.eventLoopUtilization()
  const body = JSON.stringify({ activeMs: active, cpuUsage: process.cpuUsage(), ...details() })
  res.setHeader('Content-Type', 'application/json')
  res.end(body)
}

/**
 * Serves the directory named by the first argument, prints `{"port":P}` and ends when stdin closes.
 *
 * @param {(path: string, res: import('node:http').ServerResponse) => void} respond answers one GET with the file at path
 * @param {() => object} [details] added to the answer of `GET /__stats`
 */
export function serve(respond, details = () => ({})) {
  const root = process.argv[2]
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_TIMEOUT }, (req, res) => {
    if (req.url.startsWith('/__stats')) answerStats(req, res, details)
    else respond(root + req.url, res)
  })
  server.listen({ port: 0, host: '127.0.0.1', backlog: BACKLOG }, () => {
    console.log(JSON.stringify({ port: server.address().port }))
  })
  process.stdin.resume().on('end', () => process.exit(0))
}

/** As send and serve-static do for a whole file: fs.stat, headers, a read stream piped into the response. */
export function streamFile(fs, path, res, streamOptions) {
  fs.stat(path, (error, stats) => {
    if (error) {
      res.statusCode = 404
      res.end()
      return
    }
    res.setHeader('Content-Type', CONTENT_TYPE)
    res.setHeader('Content-Length', stats.size)
    const stream = fs.createReadStream(path, streamOptions)
    stream.on('error', (cause) => res.destroy(cause))
    res.on('close', () => stream.destroy())
    stream.pipe(res)
  })
}
