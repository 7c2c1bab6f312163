/** No framework and nothing of this package, for runtimes other than Node. Serves ranges and pages for a player. */
import { createReadStream, existsSync, statSync } from 'node:fs'
import http from 'node:http'
import { join } from 'node:path'
import { start } from './start.mjs'

const PAGE = `<!doctype html><title>player</title><video id=v src=/clip.wav preload=metadata muted></video><script>
const say = (what) => fetch('/said?' + encodeURIComponent(what))
v.onerror = () => say('error ' + v.error.message)
v.onloadedmetadata = async () => {
  for (const part of [0.7, 0.2, 0.95, 0.5]) {
    v.currentTime = v.duration * part
    await new Promise((resolve) => { v.onseeked = resolve })
  }
  await v.play()
  setTimeout(() => say('played ' + Math.round(v.duration) + ' ' + (v.currentTime > v.duration * 0.5)), 500)
}
</script>`

// `SENDFILE64_APP_ENTRY`: by import instead of by register
const entry = process.env.SENDFILE64_APP_ENTRY
const create = entry ? (await import(entry)).createReadStream : createReadStream

const server = http.createServer((req, res) => {
  if (req.url === '/page') return res.setHeader('Content-Type', 'text/html').end(PAGE)
  if (req.url.startsWith('/said')) {
    console.log(JSON.stringify({ said: decodeURIComponent(req.url.slice(6)) }))
    return res.end()
  }
  const path = join(process.argv[2], req.url === '/sent' ? 'file.bin' : req.url)
  if (!existsSync(path)) return res.writeHead(404).end()
  const { size } = statSync(path)
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(req.headers.range ?? '') ?? []
  const start = Number(from ?? 0)
  const end = to ? Math.min(Number(to), size - 1) : size - 1
  if (from !== undefined)
    res.writeHead(206, { 'Content-Range': `bytes ${start}-${end}/${size}`, 'Content-Length': end - start + 1 })
  else res.writeHead(200, { 'Accept-Ranges': 'bytes', 'Content-Length': size })
  const stream = create(path, { start, end })
  res.on('close', () => stream.destroy())
  return stream.pipe(res)
})
start((port, listening) => server.listen(port, '127.0.0.1', listening))
