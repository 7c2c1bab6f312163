/** sendfile(2) as a function. */
import { anyBinding, native } from './native/load.ts'
import { noBinding, systemError } from './errors/sendfile-error.ts'
import { parseBytes } from './options/validate.ts'
import { parseFd } from './source/parse.ts'

/**
 * Calls sendfile64(2) exactly once, on the calling thread. A short count is returned as it is; one call moves at most
 * 0x7ffff000 bytes (sendfile(2), NOTES). If `offset` is null, the file position of the source is used and moved; a number
 * does not change it.
 *
 * @returns the number of bytes moved and the offset of the byte after them, or `null` if the file position was used
 * @example
 * const { bytesSent, offset } = sendfileSync(socketFd, fileFd, 0, 65536)
 *
 * @throws {SendfileError} the kernel's error, including `EAGAIN`, with `syscall: 'sendfile'` and a negative `errno`
 * @throws {SendfileError} ERR_SENDFILE_BINDING without the addon
 */
export function sendfileSync(
  outFd: number,
  inFd: number,
  offset: number | bigint | null,
  count: number | bigint,
): { bytesSent: number; offset: number | bigint | null } {
  const out = parseFd('outFd', outFd)
  const source = parseFd('inFd', inFd)
  const start = offset === null ? null : parseBytes('offset', offset)
  const most = parseBytes('count', count)
  anyBinding()
  if (native === undefined)
    throw noBinding('sendfileSync() requires the native addon, which is not loaded. Call support() for the reason')
  const bytesSent = Number(native.sendfileOnce(out, source, start, most))
  if (bytesSent < 0) throw systemError(bytesSent, 'sendfile', { bytesSent: 0, offset: start ?? 0 })
  if (start === null) return { bytesSent, offset: null }
  const next = BigInt(start) + BigInt(bytesSent)
  return { bytesSent, offset: next > Number.MAX_SAFE_INTEGER ? next : Number(next) }
}
