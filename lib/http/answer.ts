/** Answers that are not a file: errors, redirects, and the list of a folder. */
import fs from 'node:fs'
import http from 'node:http'

import type { Sent } from './body.ts'
import { whenOver } from './over.ts'
import type { OpenEntry } from './file/open.ts'
import type { ServeRequest, ServeResponse } from './request/options.ts'

/** How a request was answered. */
export interface Answered extends Sent {
  readonly status: number
}

type Headers = Readonly<Record<string, string>>

/** The headers that describe a file and must not be part of another answer. */
const OF_A_FILE = [
  'Accept-Ranges',
  'Cache-Control',
  'Content-Disposition',
  'Content-Encoding',
  'Content-Range',
  'ETag',
  'Last-Modified',
]

/** Answers with a status and its name as text. A 416 has no body. */
export function answer(
  req: ServeRequest,
  res: ServeResponse,
  status: number,
  headers: Headers = {},
): Promise<Answered> {
  for (const name of OF_A_FILE) res.removeHeader(name)
  res.statusCode = status
  const text = status === 416 ? '' : `${http.STATUS_CODES[status]}\n`
  if (text === '') res.removeHeader('Content-Type')
  return end(req, res, text, text === '' ? headers : { 'Content-Type': 'text/plain; charset=utf-8', ...headers })
}

async function end(req: ServeRequest, res: ServeResponse, text: string, headers: Headers): Promise<Answered> {
  const body = Buffer.from(text)
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value)
  if (text !== '') res.setHeader('X-Content-Type-Options', 'nosniff')
  res.setHeader('Content-Length', body.length)
  const over = whenOver(res)
  if (req.method === 'HEAD') res.end()
  else res.end(body)
  return { status: res.statusCode, bytesSent: 0, completed: await over, method: undefined, fallbacks: [] }
}

/** Answers with the names in a folder. */
export async function list(
  req: ServeRequest,
  res: ServeResponse,
  folder: OpenEntry,
  isShown: (name: Buffer) => boolean,
): Promise<Answered> {
  const names = await namesIn(folder)
  const shown = names.filter(({ name }) => isShown(name)).toSorted((a, b) => Buffer.compare(a.name, b.name))
  const links = shown.map(({ name, isFolder }) => {
    const slash = isFolder ? '/' : ''
    return `<li><a href="./${encode(name)}${slash}">${escape(name.toString())}${slash}</a></li>\n`
  })
  const head = '<!doctype html>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">\n'
  const title = '<title>Index</title>\n'
  const text = `${head}${title}<ul>\n<li><a href="../">../</a></li>\n${links.join('')}</ul>\n`
  res.statusCode = 200
  return end(req, res, text, {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': "default-src 'none'",
  })
}

interface Entry {
  readonly name: Buffer
  readonly isFolder: boolean
}

/** Reads the open folder, because its path may lead to another folder by now. */
async function namesIn({ fd, path }: OpenEntry): Promise<Entry[]> {
  const options = { withFileTypes: true, encoding: 'buffer' } as const
  const opened = Buffer.from(`/proc/self/fd/${fd}`)
  const entries = await fs.promises.readdir(opened, options).catch(() => fs.promises.readdir(path, options))
  return entries.map((entry) => ({ name: entry.name, isFolder: entry.isDirectory() }))
}

/** Percent-encodes every byte that is not a letter, a digit or one of `-._~`. */
function encode(name: Buffer): string {
  return Array.from(name, (byte) => {
    const character = String.fromCharCode(byte)
    return /[\w.~-]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }).join('')
}

function escape(text: string): string {
  return text.replaceAll(/[&<>"'`]/g, (character) => `&#${character.codePointAt(0)};`)
}
