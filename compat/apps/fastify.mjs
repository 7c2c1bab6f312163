/** Fastify: @fastify/static, and a stream as the reply. */
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import files from '@fastify/static'
import fastify from 'fastify'
import { start } from './start.mjs'

const app = fastify()
await app.register(files, { root: process.argv[2] })
app.get('/sent', (request, reply) =>
  reply.type('application/octet-stream').send(createReadStream(join(process.argv[2], 'file.bin'))),
)
start(async (port, listening) => {
  await app.listen({ port, host: '127.0.0.1' })
  listening.call(app.server)
  return app.server
})
