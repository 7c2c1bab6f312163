/** The parts of its dependencies that `lib/http/` uses. negotiator has no types of its own. */

declare module 'content-disposition' {
  /** A Content-Disposition header: with `filename` in ASCII, and `filename*` where that is not the whole name (RFC 6266). */
  export function create(filename?: string, options?: { type?: string; fallback?: string | boolean }): string
}

declare module 'mrmime' {
  /** The media type of a file name or extension, without parameters. */
  export function lookup(extension: string): string | undefined
}

declare module 'negotiator' {
  export default class Negotiator {
    constructor(request: { readonly headers: { readonly 'accept-encoding'?: string | undefined } })
    /** Those of `available` that the client accepts, best first; `preferred` decides between equal ones. */
    encodings(available: string[], options?: { preferred?: readonly string[] }): string[]
  }
}
