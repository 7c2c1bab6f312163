/** Answers a request with a file that is open: conditions, ranges, headers, then the body. */
import http from 'node:http'

import { truncated } from '../errors/sendfile-error.ts'
import { answer, type Answered } from './answer.ts'
import { contentRange, Multipart, type Sent, sendNothing, sendRange } from './body.ts'
import { allowsRange, evaluate, type Validators } from './request/conditional.ts'
import { isOver, whenOver } from './over.ts'
import type { ServeRequest, ServeResponse } from './request/options.ts'
import { parseRange, type Ranges } from './request/ranges.ts'
import { describe, describeBody, type Representation } from './file/representation.ts'
import type { Settings } from './request/settings.ts'

const STALE = ['Content-Type', 'Content-Length', 'Content-Encoding', 'Content-Range', 'Content-Disposition'] as const

/** Sends a file. Does not close it. */
export async function deliver(
  req: ServeRequest,
  res: ServeResponse,
  chosen: Representation,
  settings: Settings,
): Promise<Answered> {
  const validators = describe(res, chosen, settings)
  if (res.headersSent || isOver(res)) return answeredElsewhere(res)
  const size = sizeOf(chosen)
  // If the program has chosen another status, as for an error page, conditions do not apply (RFC 9110 section 13.2.1).
  const isPlain = res.statusCode === 200
  const verdict = isPlain ? evaluate(req.headers, validators) : 'send'
  if (verdict === 'not-modified') {
    for (const name of STALE) res.removeHeader(name)
    res.statusCode = 304
    return { status: 304, ...(await sendNothing(res)) }
  }
  if (verdict === 'failed') return answer(req, res, 412)
  const ranges = isPlain ? rangesOf(req, validators, chosen, size, settings) : 'whole'
  if (ranges === 'unsatisfiable') return answer(req, res, 416, { 'Content-Range': `bytes */${size}` })
  describeBody(res, chosen, settings)
  return send(req, res, chosen, ranges, size, settings)
}

async function send(
  req: ServeRequest,
  res: ServeResponse,
  { entry }: Representation,
  ranges: Ranges,
  size: number,
  settings: Settings,
): Promise<Answered> {
  if (ranges === 'whole' || ranges === 'unsatisfiable') {
    res.setHeader('Content-Length', size)
    const { statusCode: status } = res
    if (req.method === 'HEAD') return { status, ...(await sendNothing(res)) }
    return { status, ...(await sendRange(req, res, { entry, offset: 0, count: size }, settings)) }
  }
  res.statusCode = 206
  leaveAlone(res)
  const [range] = ranges
  if (ranges.length === 1 && range !== undefined) {
    res.setHeader('Content-Range', contentRange(range, size))
    res.setHeader('Content-Length', range.count)
    return { status: 206, ...(await sendRange(req, res, { ...range, entry }, settings)) }
  }
  const multipart = new Multipart(entry, ranges, String(res.getHeader('Content-Type')), size)
  res.setHeader('Content-Type', multipart.type)
  res.setHeader('Content-Length', multipart.length)
  return { status: 206, ...(await multipart.send(req, res, settings)) }
}

/** Ranges of a variant are ranges of its encoded bytes. Parts of a multipart answer cannot state an encoding. */
function rangesOf(
  req: ServeRequest,
  validators: Validators,
  { encoding }: Representation,
  size: number,
  { ranges, maxRanges }: Settings,
): Ranges {
  const { range, 'if-range': ifRange } = req.headers
  if (!ranges || range === undefined || req.method !== 'GET') return 'whole'
  if (!allowsRange(Array.isArray(ifRange) ? ifRange.join(', ') : ifRange, validators)) return 'whole'
  const parsed = parseRange(range, size, maxRanges)
  return Array.isArray(parsed) && parsed.length > 1 && encoding !== undefined ? 'whole' : parsed
}

/** Prevents middleware from compressing a part of a file as if it were the whole file. */
function leaveAlone(res: ServeResponse): void {
  if (!Object.hasOwn(res, 'write') || !(res instanceof http.ServerResponse)) return
  const present: unknown = res.getHeader('Cache-Control')
  const said = typeof present === 'string' && present !== '' ? `${present}, ` : ''
  if (!/\bno-transform\b/i.test(said)) res.setHeader('Cache-Control', `${said}no-transform`)
}

/** Refuses a size above 2^53 - 1, which no real file has. */
function sizeOf({ entry: { stat } }: Representation): number {
  if (stat.size > Number.MAX_SAFE_INTEGER) throw truncated(stat.size, { bytesSent: 0, offset: 0 })
  return Number(stat.size)
}

/** The result if the function `headers` has answered the request. */
async function answeredElsewhere(res: ServeResponse): Promise<Answered> {
  const nothing: Sent = { bytesSent: 0, completed: true, method: undefined, fallbacks: [] }
  if (!res.writableEnded) return { status: res.statusCode, ...nothing, completed: await whenOver(res) }
  return { status: res.statusCode, ...nothing }
}
