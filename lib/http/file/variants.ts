/** Which file answers for a path: the file itself, a precompressed variant of it, or the same name with an extension. */
import Negotiator from 'negotiator'

import { cacheOf } from './cache.ts'
import { openEntry, type OpenEntry, type Refused, type Rule } from './open.ts'
import type { Encoding, ServeRequest } from '../request/options.ts'
import type { Representation } from './representation.ts'
import type { Settings } from '../request/settings.ts'

/** An open file, an open folder, or the status to answer with. */
export type Located = Representation | { readonly folder: OpenEntry } | Refused

const EXTENSION: Readonly<Record<Encoding, string>> = { br: '.br', zstd: '.zst', gzip: '.gz' }

/** The name of no encoding in Accept-Encoding. */
const IDENTITY = 'identity'

/** Opens the file for a path without a final slash. Tries the extensions if no file has the name itself. */
export async function locate(req: ServeRequest, path: Buffer, rule: Rule, settings: Settings): Promise<Located> {
  const name = nameOf(path)
  let found = await choose(req, path, name, rule, settings)
  if (found !== 404 || settings.extensions.length === 0 || /.\.[^.]*$/.test(name)) return found
  for (const extension of settings.extensions) {
    found = await choose(
      req,
      Buffer.concat([path, Buffer.from(`.${extension}`)]),
      `${name}.${extension}`,
      rule,
      settings,
    )
    if (typeof found === 'object' && 'name' in found) return found
    if (typeof found === 'object') await found.folder.close()
  }
  return 404
}

/** The name of a file. */
export function nameOf(path: Buffer): string {
  return path.subarray(path.lastIndexOf('/') + 1).toString()
}

/** The best variant that exists. */
async function choose(
  req: ServeRequest,
  path: Buffer,
  name: string,
  rule: Rule,
  { precompressed, cache }: Settings,
): Promise<Located> {
  const open = (path: Buffer): ReturnType<typeof openEntry> =>
    cache === undefined ? openEntry(path, rule) : cacheOf(cache.option, cache).open(path, rule)
  if (precompressed.length === 0) return take(await open(path), name, undefined)
  for (const encoding of accepted(req, precompressed)) {
    if (encoding === undefined) {
      const found = take(await open(path), name, undefined)
      if (typeof found === 'object') return found
    } else {
      const found = await open(Buffer.concat([path, Buffer.from(EXTENSION[encoding])]))
      if (typeof found === 'object' && found.stat.isFile()) return { entry: found, name, encoding }
      if (typeof found === 'object') await found.close()
    }
  }
  // The file without an encoding, even if the client excludes that: RFC 9110 section 12.5.3 allows it.
  return take(await open(path), name, undefined)
}

function take(found: OpenEntry | Refused, name: string, encoding: undefined): Located {
  if (typeof found === 'number') return found
  return found.stat.isDirectory() ? { folder: found } : { entry: found, name, encoding }
}

/** The encodings that the client accepts, best first; `undefined` for none. */
function accepted(req: ServeRequest, precompressed: readonly Encoding[]): (Encoding | undefined)[] {
  const field = req.headers['accept-encoding']
  const header = Array.isArray(field) ? field.join(', ') : field
  const names = new Negotiator({ headers: { 'accept-encoding': header } }).encodings([...precompressed, IDENTITY], {
    preferred: precompressed,
  })
  return names.map((name) => precompressed.find((encoding) => encoding === name))
}
