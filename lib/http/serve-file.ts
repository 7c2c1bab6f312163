/** `serveFile()`: answers one request with one file. */
import { performance } from 'node:perf_hooks'
import { resolve, sep } from 'node:path'

import { invalidType, invalidValue } from '../errors/node-error.ts'
import { aborted } from '../errors/sendfile-error.ts'
import type { Method } from '../options/sendfile.ts'
import { parseSource } from '../source/parse.ts'
import type { Fallback } from '../executor/end.ts'
import type { Answered } from './answer.ts'
import { deliverAndClose, fail, isRead, refuse, requireExchange } from './exchange.ts'
import type { Refused } from './file/open.ts'
import type { ServeOptions, ServeRequest, ServeResponse } from './request/options.ts'
import { joinPath, refusedFor } from './request/resolve.ts'
import { Root } from './file/root.ts'
import { parseServeOptions, type Settings } from './request/settings.ts'
import { locate } from './file/variants.ts'

/** How a request was answered. */
export interface ServeResult {
  /** The status of the answer. */
  status: number
  /** The file that was opened; `undefined` if there was none. */
  path: string | undefined
  /** Number of bytes of the file that the connection has accepted. */
  bytesSent: number
  /** Whether the connection has accepted the whole answer. `false` if the client has left, or was disconnected. */
  completed: boolean
  /** The method that moved the bytes; `undefined` if there were none. */
  method: Method | undefined
  /** The reasons why a better method was not used. */
  fallbacks: Fallback[]
  /** Time from the call to the end of the answer, in milliseconds. */
  durationMs: number
}

/**
 * Answers a GET or HEAD request with a file: type, validators, conditions, ranges, HEAD and errors as RFC 9110 describes
 * them. The kernel moves the bytes if it can.
 *
 * A client that leaves is a normal outcome: the promise resolves with `completed: false`. It rejects for a fault of the
 * server (EIO, EMFILE, a function of the options that throws, a file that was truncated while it was sent), after the
 * request has been answered with 500 where that was still possible; otherwise the connection is destroyed.
 *
 * @param path of the file; below `options.root` if that is set
 *
 * @example
 * const { status, completed } = await serveFile(req, res, 'report.pdf', { root: '/srv/files', attachment: true })
 *
 * @throws {TypeError} ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE and {RangeError} ERR_OUT_OF_RANGE for an argument, before
 * anything is opened
 * @throws {Error} ERR_HTTP_HEADERS_SENT if the headers of the response have been sent already
 * @throws {SendfileError} ERR_SENDFILE_DESTINATION if the response is ended or destroyed already; every fault of the server
 */
export async function serveFile(
  req: ServeRequest,
  res: ServeResponse,
  path: string | Uint8Array | URL,
  options?: ServeOptions,
): Promise<ServeResult> {
  const startedAt = performance.now()
  requireExchange(req, res)
  const settings = parseServeOptions(options)
  const name = parsePath(path)
  if (settings.root === undefined && settings.symlinks === 'within-root') {
    throw invalidValue('options.symlinks', settings.symlinks, 'needs options.root')
  }
  const { signal } = settings.transfer
  if (signal?.aborted === true) throw aborted(signal)
  const { root: folder } = settings
  const root = folder === undefined ? undefined : await Root.later('options.root', folder)
  const present = new Set(res.getHeaderNames())
  try {
    const answered = await answerWith(req, res, name, root, settings)
    return { ...answered, durationMs: performance.now() - startedAt }
  } catch (error) {
    await fail(req, res, present)
    throw error
  }
}

async function answerWith(
  req: ServeRequest,
  res: ServeResponse,
  name: Buffer,
  root: Root | undefined,
  settings: Settings,
): Promise<Answered & { path: string | undefined }> {
  if (!isRead(req)) return { path: undefined, ...(await refuse(req, res, 405, settings)) }
  const target = root === undefined ? name : below(root, name, settings)
  const { symlinks } = settings
  const found = typeof target === 'number' ? target : await locate(req, target, { root, symlinks }, settings)
  if (typeof found === 'number') return { path: undefined, ...(await refuse(req, res, found, settings)) }
  if ('entry' in found) {
    return { path: found.entry.path.toString(), ...(await deliverAndClose(req, res, found, settings)) }
  }
  await found.folder.close()
  return { path: undefined, ...(await refuse(req, res, 404, settings)) }
}

/** The path of a file below the root. latin1 keeps every byte of the name. */
function below(root: Root, name: Buffer, { dotfiles }: Settings): Buffer | Refused {
  const folder = root.path.toString('latin1')
  const path = resolve(folder, name.toString('latin1'))
  const prefix = folder === sep ? folder : `${folder}${sep}`
  if (!path.startsWith(prefix)) return 404
  const segments = path
    .slice(prefix.length)
    .split(sep)
    .map((segment) => Buffer.from(segment, 'latin1'))
  return refusedFor(segments, dotfiles) ?? joinPath(root.path, segments)
}

function parsePath(path: unknown): Buffer {
  if (typeof path !== 'string' && !(path instanceof Uint8Array) && !(path instanceof URL)) {
    throw invalidType('path', 'of type string or an instance of Buffer or URL', path)
  }
  const source = parseSource(path)
  if (source.kind !== 'path') throw invalidType('path', 'of type string or an instance of Buffer or URL', path)
  return typeof source.path === 'string' ? Buffer.from(source.path) : source.path
}
