// Runs in an empty project with the package installed: usage: node consumer.mjs BINDING
// BINDING native | wasm32-wasip1 | none: the binding that must be loaded. `import`: only imports, and must print nothing.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'

const [wanted] = process.argv.slice(2)
const imported = await import('sendfile64')
const required = createRequire(import.meta.url)('sendfile64')
if (wanted !== 'import') {
  sameFromBoth()
  const { binding, reason } = imported.support()
  assert.equal(binding, wanted, reason)
  assert.equal(reason === undefined, binding === 'native', `${reason}`)
  const how = binding === 'none' ? await isRefused() : await isSent(binding)
  console.log(JSON.stringify({ binding, how, ...(reason && { reason }) }))
}

function sameFromBoth() {
  assert.deepEqual(Object.keys(required).toSorted(), Object.keys(imported).toSorted())
  for (const name of ['sendfile', 'sendfileSync', 'support', 'SendfileError'])
    assert.equal(required[name], imported[name], `${name} must be the same by import and by require`)
}

/** One connection on loopback; `received` resolves with every byte that came through it. */
async function connection() {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'connection')
  const client = net.connect(server.address().port, '127.0.0.1')
  const hash = createHash('sha256')
  let length = 0
  client.on('data', (chunk) => {
    length += chunk.length
    hash.update(chunk)
  })
  const received = once(client, 'end').then(() => ({ length, digest: hash.digest('hex') }))
  const [socket] = await accepted
  server.close()
  return { socket, received }
}

async function isSent(binding) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'sendfile64-consumer-'))
  try {
    const bytes = randomBytes(5_000_001)
    const file = path.join(folder, 'file')
    writeFileSync(file, bytes)
    const { socket, received } = await connection()
    socket.write('before')
    const { bytesSent, method } = await imported.sendfile(socket, file)
    socket.end('after')
    const digest = createHash('sha256').update('before').update(bytes).update('after').digest('hex')
    assert.deepEqual(await received, { length: bytes.length + 11, digest })
    assert.equal(bytesSent, bytes.length)
    const isNode = !('bun' in process.versions) && !('deno' in process.versions)
    const kernel = binding === 'native' && process.platform === 'linux' && isNode
    assert.equal(method, kernel ? 'sendfile' : 'copy')
    return method
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function isRefused() {
  const { socket, received } = await connection()
  const error = await imported.sendfile(socket, process.argv[1]).catch((error) => error)
  assert.ok(error instanceof imported.SendfileError, String(error))
  assert.equal(error.code, 'ERR_SENDFILE_BINDING')
  assert.match(error.message, /No sendfile64 binding could be loaded for \w+ \w+/)
  assert.match(error.message, /npm install sendfile64 --include=optional/)
  socket.end('the socket is untouched')
  assert.equal((await received).length, 23)
  return 'refused'
}
