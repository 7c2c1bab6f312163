/** How the body of an answer is sent: a small range with the headers, everything else by `sendfile()`. */
import { randomBytes } from 'node:crypto'

import { codeOf } from '../errors/figures.ts'
import { invalidType } from '../errors/node-error.ts'
import { truncated } from '../errors/sendfile-error.ts'
import { OBSTACLE } from '../errors/obstacle.ts'
import { readAtOnce, readInto } from '../node/fs.ts'
import type { Method } from '../options/sendfile.ts'
import { sendfile } from '../sendfile.ts'
import { SMALL } from '../source/cached.ts'
import { RateLimiter } from '../options/rate-limiter.ts'
import type { Fallback } from '../executor/end.ts'
import type { OpenEntry } from './file/open.ts'
import { isOver, whenOver } from './over.ts'
import type { ServeRequest, ServeResponse } from './request/options.ts'
import type { ByteRange } from './request/ranges.ts'
import type { Settings, Transfer } from './request/settings.ts'

/** How far a body came. */
export interface Sent {
  readonly bytesSent: number
  /** `false` if the client has disconnected or was too slow. */
  readonly completed: boolean
  readonly method: Method | undefined
  readonly fallbacks: Fallback[]
}

/** An answer without a body. */
export async function sendNothing(res: ServeResponse): Promise<Sent> {
  const over = whenOver(res)
  res.end()
  return { bytesSent: 0, completed: await over, method: undefined, fallbacks: [] }
}

/** A range of an open file. */
export interface FileRange extends ByteRange {
  readonly entry: OpenEntry
}

/** Sends one range. The headers have been set. */
export function sendRange(req: ServeRequest, res: ServeResponse, range: FileRange, settings: Settings): Promise<Sent> {
  if (range.count === 0) return sendNothing(res)
  if (isSmall(range, settings)) return sendSmall(res, range)
  return accounted(res, [{ ...range, headers: undefined, trailers: undefined }], transferOf(req, settings))
}

function isSmall({ count }: ByteRange, { limiter, transfer }: Settings): boolean {
  const { rate = 0, minRate = 0, stallTimeout = 0, method, signal } = transfer
  const isPlain = limiter === undefined && rate === 0 && minRate === 0 && stallTimeout === 0 && signal === undefined
  return count <= SMALL && method === 'auto' && isPlain
}

/** Reads the range, so that headers and body are one write. The bytes are a copy, so the file may change afterwards. */
async function sendSmall(res: ServeResponse, range: FileRange): Promise<Sent> {
  const { entry, offset, count } = range
  const buffer = entry.body?.subarray(offset, offset + count) ?? (await read(range))
  const fallbacks: Fallback[] = [{ from: 'sendfile', to: 'copy', ...OBSTACLE.small }]
  if (isOver(res)) return { bytesSent: 0, completed: false, method: 'copy', fallbacks }
  const over = whenOver(res)
  res.end(buffer)
  const completed = await over
  return { bytesSent: completed ? count : 0, completed, method: 'copy', fallbacks }
}

async function read({ entry: { fd, stat, keep }, offset, count }: FileRange): Promise<Buffer> {
  // A buffer that is kept must not hold the pool that Node allocates small buffers from.
  const buffer = keep === undefined ? Buffer.allocUnsafe(count) : Buffer.allocUnsafeSlow(count)
  let length = Math.max(0, readAtOnce(fd, buffer, offset))
  while (length < count) {
    const bytes = await readInto(buffer.subarray(length), fd, count - length, offset + length)
    if (bytes === 0) throw truncated(count, { bytesSent: 0, offset })
    length += bytes
  }
  if (keep !== undefined && BigInt(count) === stat.size) keep(buffer)
  return buffer
}

/** A part of a multipart answer, with the bytes before and after it. */
interface Part extends FileRange {
  readonly headers: Buffer | undefined
  readonly trailers: Buffer | undefined
}

/** A multipart/byteranges answer (RFC 9110 section 14.6). */
export class Multipart {
  readonly type: string
  readonly length: number
  readonly #parts: readonly Part[]

  /** `type` and `size` are those of the file. */
  constructor(entry: OpenEntry, ranges: readonly ByteRange[], type: string, size: number) {
    const boundary = randomBytes(16).toString('hex')
    const closing = Buffer.from(`\r\n--${boundary}--\r\n`)
    this.type = `multipart/byteranges; boundary=${boundary}`
    this.#parts = ranges.map((range, index) => ({
      ...range,
      entry,
      headers: Buffer.from(
        `${index === 0 ? '' : '\r\n'}--${boundary}\r\nContent-Type: ${type}\r\nContent-Range: ${contentRange(range, size)}\r\n\r\n`,
        'latin1',
      ),
      trailers: index === ranges.length - 1 ? closing : undefined,
    }))
    this.length = this.#parts.reduce(
      (sum, { headers, count, trailers }) => sum + (headers?.length ?? 0) + count + (trailers?.length ?? 0),
      0,
    )
  }

  send(req: ServeRequest, res: ServeResponse, settings: Settings): Promise<Sent> {
    const transfer = transferOf(req, settings)
    const { rate, burst } = transfer
    if (typeof rate !== 'number' || rate === 0) return accounted(res, this.#parts, transfer)
    // All parts share one bucket; with a bucket of its own, each part would start with a burst.
    const limiter = new RateLimiter({ rate, burst })
    return accounted(res, this.#parts, { ...transfer, rate: limiter, burst: undefined })
  }
}

/** "bytes 0-499/1234" */
export function contentRange({ offset, count }: ByteRange, size: number): string {
  return `bytes ${offset}-${offset + count - 1}/${size}`
}

/** The options of `sendfile()` for this request. */
function transferOf(req: ServeRequest, { limiter, transfer }: Settings): Transfer {
  if (limiter === undefined) return transfer
  const rate: unknown = Reflect.apply(limiter, undefined, [req])
  if (rate === undefined || rate instanceof RateLimiter) return { ...transfer, rate }
  throw invalidType('options.limiter()', 'an instance of RateLimiter', rate)
}

/**
 * Sends the parts one after the other, and ends the response with the last one. A client that disconnects or is too slow is
 * an outcome. A file that is too short or cannot be read is an error.
 */
async function accounted(res: ServeResponse, parts: readonly Part[], transfer: Transfer): Promise<Sent> {
  let bytesSent = 0
  let method: Method | undefined
  const fallbacks: Fallback[] = []
  for (const { entry, offset, count, headers, trailers } of parts) {
    const end = parts.length === 1 || trailers !== undefined
    try {
      const sent = await sendfile(res, entry.fd, { ...transfer, offset, count, headers, trailers, end })
      bytesSent += sent.bytesSent
      method = sent.method
      for (const fallback of sent.fallbacks) {
        if (!fallbacks.some(({ reason }) => reason === fallback.reason)) fallbacks.push(fallback)
      }
    } catch (error) {
      if (!isClient(error)) throw error
      res.destroy()
      return { bytesSent: bytesSent + sentBefore(error), completed: false, method, fallbacks }
    }
  }
  return { bytesSent, completed: true, method, fallbacks }
}

function sentBefore(error: unknown): number {
  const figure: unknown = error instanceof Error ? Reflect.get(error, 'bytesSent') : 0
  return typeof figure === 'number' ? figure : 0
}

/** The errors of send(2) and of Node's streams that mean that the connection to the client has ended. */
const GONE: ReadonlySet<unknown> = new Set(
  (
    'EPIPE ECONNRESET ECONNABORTED ETIMEDOUT EHOSTUNREACH ENETUNREACH ENETDOWN ENOTCONN ECANCELED ' +
    'ERR_SENDFILE_DESTINATION ERR_SENDFILE_STALLED ERR_STREAM_DESTROYED ERR_STREAM_PREMATURE_CLOSE ' +
    'ERR_STREAM_WRITE_AFTER_END ERR_HTTP2_INVALID_STREAM ERR_HTTP2_STREAM_CANCEL ERR_HTTP2_STREAM_ERROR ' +
    'ERR_HTTP2_SESSION_ERROR'
  ).split(' '),
)

function isClient(error: unknown): boolean {
  return GONE.has(codeOf(error))
}
