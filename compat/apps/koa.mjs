/** Koa: a stream as the body, and @koa/send. */
import { createReadStream, statSync } from 'node:fs'
import { join } from 'node:path'
import { send } from '@koa/send'
import Koa from 'koa'
import { start } from './start.mjs'

const app = new Koa()
app.use(async (ctx) => {
  if (ctx.path !== '/sent') return send(ctx, ctx.path, { root: process.argv[2] })
  const path = join(process.argv[2], 'file.bin')
  ctx.length = statSync(path).size
  ctx.type = 'application/octet-stream'
  ctx.body = createReadStream(path)
  return undefined
})
start((port, listening) => app.listen(port, '127.0.0.1', listening))
