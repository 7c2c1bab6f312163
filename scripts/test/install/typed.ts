import type net from 'node:net'
import { sendfile, support, SendfileError, type SendfileResult, type Support } from 'sendfile64'

export async function send(socket: net.Socket, path: string): Promise<number> {
  const found: Support = support()
  if (found.binding === 'none') throw new SendfileError('ERR_SENDFILE_BINDING', found.reason ?? '')
  const result: SendfileResult<bigint> = await sendfile(socket, path, { bigint: true })
  // @ts-expect-error: not a destination
  await sendfile('socket', path)
  return Number(result.bytesSent)
}
