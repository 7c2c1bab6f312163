// Two copies of the package in one process send alternately to one socket: usage: node two-copies.mjs OTHER-NAME
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'

const [other] = process.argv.slice(2)
const first = await import('sendfile64')
const second = await import(other)
assert.notEqual(first.sendfile, second.sendfile, 'the two copies are different modules')

const folder = mkdtempSync(path.join(os.tmpdir(), 'sendfile64-copies-'))
try {
  const bytes = randomBytes(3_000_001)
  const file = path.join(folder, 'file')
  writeFileSync(file, bytes)
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'connection')
  const client = net.connect(server.address().port, '127.0.0.1')
  const received = createHash('sha256')
  client.on('data', (chunk) => received.update(chunk))
  const ended = once(client, 'end')
  const [socket] = await accepted
  server.close()
  const expected = createHash('sha256')
  const sent = []
  for (let round = 0; round < 4; round++) {
    socket.write(`round ${round}`)
    sent.push(first.sendfile(socket, file), second.sendfile(socket, file))
    expected.update(`round ${round}`).update(bytes).update(bytes)
  }
  const methods = (await Promise.all(sent)).map(({ method }) => method)
  socket.end()
  await ended
  assert.equal(received.digest('hex'), expected.digest('hex'))
  assert.deepEqual(new Set(methods), new Set(['sendfile']))
  console.log(JSON.stringify({ copies: 2, transfers: methods.length }))
} finally {
  rmSync(folder, { recursive: true })
}
