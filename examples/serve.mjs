// A file server on node:http whose bytes the kernel moves. Usage: node examples/serve.mjs [directory] (PORT=8080)
import { randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, open, readdir, stat } from 'node:fs/promises'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'

import { sendfile, support } from 'sendfile64'

const SAMPLE_BYTES = 256 * 1024 * 1024

const root = path.resolve(process.argv[2] ?? (await sampleDirectory()))
const server = http.createServer((req, res) => {
  answer(req, res).catch((error) => fail(req, res, error))
})
// The address of this machine only: a server for everybody should think about more than this example does.
server.listen(Number(process.env.PORT ?? 8080), '127.0.0.1')
await once(server, 'listening').catch((error) => {
  console.error(`cannot listen: ${error.message}. Choose another port: PORT=8081 npm start`)
  process.exit(1)
})
const url = `http://127.0.0.1:${server.address().port}/`
console.log(`serving ${root} at ${url} with ${support().binding} sendfile64 ${support().version}`)
await requestOnce()
if (process.env.ONCE) server.close()

async function answer(req, res) {
  if (req.method !== 'GET' && req.method !== 'HEAD') return refuse(req, res, 405, { Allow: 'GET, HEAD' })
  const file = fileOf(req.url)
  if (file === undefined) return refuse(req, res, 400)
  const handle = await open(file)
  try {
    const status = await handle.stat()
    if (status.isDirectory()) return await list(req, res, file)
    await sendRange(req, res, handle, status.size)
  } finally {
    await handle.close()
  }
}

/** The file a request asks for; nothing outside of the directory. */
function fileOf(url) {
  try {
    const name = decodeURIComponent(new URL(url, 'http://localhost').pathname)
    return name.includes('\0') ? undefined : path.join(root, path.posix.normalize(name))
  } catch {
    return undefined
  }
}

async function sendRange(req, res, handle, size) {
  const range = parseRange(req.headers.range, size)
  if (range === null) return refuse(req, res, 416, { 'Content-Range': `bytes */${size}` })
  res.setHeader('Accept-Ranges', 'bytes')
  res.setHeader('Content-Type', 'application/octet-stream')
  if (range !== undefined) {
    res.statusCode = 206
    res.setHeader('Content-Range', `bytes ${range.offset}-${range.offset + range.count - 1}/${size}`)
  }
  const { offset, count } = range ?? { offset: 0, count: size }
  const sent = await sendfile(res, handle, { offset, count, end: true })
  log(req, res, sent)
}

/** A single range of RFC 9110 section 14.1.2; undefined: the whole file, null: not satisfiable. */
function parseRange(header, size) {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? []
  if (first === undefined || (first === '' && last === '')) return undefined
  const offset = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const end = first === '' || last === '' ? size : Math.min(Number(last) + 1, size)
  if (first !== '' && last !== '' && Number(last) < offset) return undefined
  return offset < size && offset < end ? { offset, count: end - offset } : null
}

async function list(req, res, directory) {
  const entries = await readdir(directory, { withFileTypes: true })
  const links = entries.map((entry) => {
    const name = entry.isDirectory() ? `${entry.name}/` : entry.name
    return `<li><a href="${encodeURIComponent(entry.name)}${entry.isDirectory() ? '/' : ''}">${escape(name)}</a></li>`
  })
  res.setHeader('Content-Type', 'text/html; charset=utf-8')
  res.end(`<!doctype html><title>${escape(path.basename(directory))}</title><ul>${links.join('\n')}</ul>\n`)
  log(req, res)
}

function escape(text) {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}

function refuse(req, res, status, headers = {}) {
  res.writeHead(status, headers).end(`${http.STATUS_CODES[status]}\n`)
  log(req, res)
}

function fail(req, res, error) {
  if (!res.headersSent) return refuse(req, res, error.code === 'ENOENT' || error.code === 'ENOTDIR' ? 404 : 500)
  console.log(`${req.method} ${req.url} ${error.code} after ${error.bytesSent} bytes`)
}

function log(req, res, sent) {
  const how = sent && `${sent.method}, ${sent.bytesSent} bytes, ${sent.syscalls} system calls, ${speed(sent)} MB/s`
  console.log(`${req.method} ${req.url} ${res.statusCode}${how ? ` ${how}` : ''}`)
}

function speed({ bytesSent, durationMs }) {
  return (bytesSent / 1e6 / (durationMs / 1e3)).toFixed(0)
}

/** A directory with one large file, made once. */
async function sampleDirectory() {
  const directory = path.join(os.tmpdir(), 'sendfile64-sample')
  const file = path.join(directory, 'sample.bin')
  await mkdir(directory, { recursive: true })
  const found = await stat(file).catch(() => undefined)
  if (found?.size === SAMPLE_BYTES) return directory
  const handle = await open(file, 'w')
  const chunk = Buffer.allocUnsafe(4 * 1024 * 1024)
  for (let written = 0; written < SAMPLE_BYTES; written += chunk.length) await handle.write(randomFillSync(chunk))
  await handle.close()
  return directory
}

/** One request to this server, for the first file there is: its log line says how the bytes went. */
async function requestOnce() {
  const entries = await readdir(root, { withFileTypes: true })
  const file = entries.find((entry) => entry.isFile())
  const [res] = await once(http.get(url + encodeURIComponent(file?.name ?? '')), 'response')
  let bytes = 0
  for await (const chunk of res) bytes += chunk.length
  console.log(`the request to itself received ${bytes} bytes`)
}
