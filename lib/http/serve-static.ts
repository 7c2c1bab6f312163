/** `serveStatic()`: answers requests with the files of a folder. */
import { invalidValue } from '../errors/node-error.ts'
import { answer, list } from './answer.ts'
import { deliverAndClose, fail, isRead, refuse, requireExchange, takeBack } from './exchange.ts'
import { type OpenEntry, openEntry, type Refused, type Rule } from './file/open.ts'
import { isOver } from './over.ts'
import type { ServeOptions, ServeRequest, ServeResponse } from './request/options.ts'
import type { Representation } from './file/representation.ts'
import { joinPath, pathOf, refusedFor, resolveTarget, withSlash } from './request/resolve.ts'
import { Root } from './file/root.ts'
import { parseRoot, parseServeOptions, type Settings } from './request/settings.ts'
import { locate } from './file/variants.ts'

/** What {@link serveStatic} returns: a handler for `node:http`, and middleware for connect, Express and Polka. */
export type StaticHandler = (req: ServeRequest, res: ServeResponse, next?: (error?: unknown) => void) => void

/** The result of a lookup: a file, a folder to list, the address of a folder, or the status to answer with. */
type Found = Representation | { readonly folder: OpenEntry } | { readonly location: string } | Refused | 400

/**
 * Returns a handler that answers GET and HEAD requests with the files below a folder. The path is that of `req.url`, from
 * which a framework takes the prefix of a mount point.
 *
 * With a `next` function and `fallthrough`, a request that has no file is passed on. A fault of the server is passed to
 * `next` as its error; without `next`, it is answered with 500.
 *
 * @example
 * http.createServer(serveStatic('public')).listen(8080)
 * app.use('/assets', serveStatic('dist', { maxAge: 365 * 864e5, immutable: true, precompressed: true })) // Express
 *
 * @throws {TypeError} ERR_INVALID_ARG_TYPE and ERR_INVALID_ARG_VALUE, also if `root` is not a folder, and {RangeError}
 * ERR_OUT_OF_RANGE
 */
export function serveStatic(root: string | URL, options?: ServeOptions): StaticHandler {
  const path = parseRoot('root', root)
  const parsed = parseServeOptions(options)
  if (parsed.root !== undefined) {
    throw invalidValue('options.root', parsed.root, 'must not be set: the first argument is the root')
  }
  const symlinks = options?.symlinks ?? 'within-root'
  const folder = new Folder(Root.of('root', path), { ...parsed, symlinks })
  return (req, res, next) => void folder.handle(req, res, next)
}

class Folder {
  readonly #root: Root
  readonly #rule: Rule
  readonly #settings: Settings

  constructor(root: Root, settings: Settings) {
    this.#root = root
    this.#rule = { root, symlinks: settings.symlinks }
    this.#settings = settings
  }

  /** Rejects only with what `next` throws. */
  async handle(req: ServeRequest, res: ServeResponse, next: ((error?: unknown) => void) | undefined): Promise<void> {
    try {
      requireExchange(req, res)
    } catch (error) {
      // A client that has disconnected is not an error.
      return isOver(res) ? undefined : next?.(error)
    }
    const passes = next !== undefined && this.#settings.fallthrough
    const present = new Set(res.getHeaderNames())
    try {
      const found = isRead(req) ? await this.#find(req) : 405
      if (typeof found !== 'number') return await this.#answer(req, res, found)
      if (!passes) return void (await refuse(req, res, found, this.#settings))
    } catch (error) {
      if (next === undefined || res.headersSent) return fail(req, res, present)
      takeBack(res, present)
      return next(error)
    }
    next?.()
  }

  async #answer(req: ServeRequest, res: ServeResponse, found: Exclude<Found, number>): Promise<void> {
    res.statusCode = 200
    if ('location' in found) return void (await answer(req, res, 301, { Location: found.location }))
    if ('entry' in found) return void (await deliverAndClose(req, res, found, this.#settings))
    try {
      const showsAll = this.#settings.dotfiles === 'allow'
      await list(req, res, found.folder, (name) => showsAll || !name.toString('latin1').startsWith('.'))
    } finally {
      await found.folder.close()
    }
  }

  async #find(req: ServeRequest): Promise<Found> {
    const target = resolveTarget(req.url ?? '')
    if (target.status !== undefined) return target.status
    const refused = refusedFor(target.segments, this.#settings.dotfiles)
    if (refused !== undefined) return refused
    const path = joinPath(this.#root.path, target.segments)
    const address = originalUrl(req)
    // At a mount point, a framework passes the path '/' although the address may lack the slash.
    const isFolder = target.isFolder && (target.segments.length > 0 || pathOf(address).endsWith('/'))
    if (isFolder) return this.#findIn(req, path)
    const found = await locate(req, path, this.#rule, this.#settings)
    if (typeof found === 'number' || 'entry' in found) return found
    await found.folder.close()
    return this.#settings.redirect ? { location: withSlash(address) } : 404
  }

  /** Looks for the index files of a folder. */
  async #findIn(req: ServeRequest, path: Buffer): Promise<Found> {
    for (const name of this.#settings.index) {
      const found = await locate(req, joinPath(path, [Buffer.from(name)]), this.#rule, this.#settings)
      if (found === 403 || (typeof found === 'object' && 'entry' in found)) return found
      if (typeof found === 'object') await found.folder.close()
    }
    if (!this.#settings.listing) return 404
    const folder = await openEntry(path, this.#rule)
    if (typeof folder === 'number') return folder
    if (folder.stat.isDirectory()) return { folder }
    await folder.close()
    return 404
  }
}

/** The target as the client sent it; a framework may have removed a prefix from `req.url`. */
function originalUrl(req: ServeRequest): string {
  const original: unknown = Reflect.get(req, 'originalUrl')
  return typeof original === 'string' ? original : (req.url ?? '/')
}
