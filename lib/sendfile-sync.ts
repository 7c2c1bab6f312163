/** sendfile(2) itself: one call, nothing added. */
import { anyBinding, native } from './native/load.ts'
import { noBinding, systemError } from './errors/sendfile-error.ts'
import { parseBytes } from './options/validate.ts'
import { parseFd } from './source/parse.ts'

/**
 * Exactly one call of sendfile64(2), on the calling thread. Short counts are returned as they are; at most 0x7ffff000
 * bytes move (sendfile(2), NOTES). `offset` null uses and moves the source's file position; a number leaves it alone.
 *
 * @returns the bytes moved, and the offset of the byte after them: `null` when the file position was used
 * @throws {SendfileError} the kernel's answer, `EAGAIN` included, with `syscall: 'sendfile'` and a negative `errno`
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
