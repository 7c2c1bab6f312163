/** res.end(buffer) with the file already in memory: the best that node:http can do. */
import { readFileSync } from 'node:fs'
import { CONTENT_TYPE, serve } from './http-server.mjs'

const bodies = new Map()

function bodyOf(path) {
  let body = bodies.get(path)
  if (!body) bodies.set(path, (body = readFileSync(path)))
  return body
}

serve((path, res) => {
  const body = bodyOf(path)
  res.setHeader('Content-Type', CONTENT_TYPE)
  res.setHeader('Content-Length', body.length)
  res.end(body)
})
