/** A pipe to a socket, in which a scenario interferes. */
import net from 'node:net'
import { fileOf, MIB, sha256, within } from '../../scene.mjs'

export const file = fileOf(8 * MIB)

/** Pipes to a socket, interferes after `at` bytes, and returns the received bytes. */
export async function interfere(scene, act, { at = 3 * MIB, options, slow = false, before } = {}) {
  let source
  let target
  const server = net.createServer((socket) => {
    target = socket
    source = scene.source(scene.create(file.path, options))
    before?.(source, socket)
    source.pipe(socket)
  })
  const client = await scene.connect(await scene.listen(server))
  if (slow) client.socket.on('data', () => client.socket.pause() && setTimeout(() => client.socket.resume(), 1))
  await client.has(at)
  scene.note(source)
  const extra = await act(source, target, client)
  await within(client.closed, 'the end of the connection')
  await scene.quiet()
  const bytes = client.bytes()
  return { sha256: sha256(bytes), right: bytes.equals(file.bytes), ended: client.ended, extra }
}
