/** The options of `serveFile()` and `serveStatic()`. */
import type fs from 'node:fs'
import type http from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'

import type { Method } from '../../options/sendfile.ts'
import type { RateLimiter } from '../../options/rate-limiter.ts'

/** A request of `node:http`, or of the compatibility API of `node:http2`. */
export type ServeRequest = http.IncomingMessage | Http2ServerRequest
/** Its response. Bytes to HTTP/2 and TLS are copied. */
export type ServeResponse = http.ServerResponse | Http2ServerResponse

/** A precompressed variant of a file: `br` is `<file>.br`, `zstd` is `<file>.zst`, `gzip` is `<file>.gz`. */
export type Encoding = 'br' | 'zstd' | 'gzip'

/** The options of {@link serveFile} and {@link serveStatic}. */
export interface ServeOptions {
  /**
   * For `serveFile()`: the folder that `path` is relative to, and that it must not leave. `serveStatic()` has its own
   * argument for it.
   */
  root?: string | URL | undefined
  /**
   * The files to serve for a folder, the first one that exists; `false` for none. Used by `serveStatic()`.
   * @default 'index.html'
   */
  index?: string | readonly string[] | false | undefined
  /**
   * What happens to a path below the root that has a segment which starts with a dot: `'ignore'` answers 404, `'deny'` 403.
   * A first segment `.well-known` is always allowed (RFC 8615).
   * @default 'ignore'
   */
  dotfiles?: 'ignore' | 'deny' | 'allow' | undefined
  /**
   * The ETag. `'weak'`: made of the size and the modification time in nanoseconds. `'strong'`: made of the change time and
   * the inode as well, and weak for a file that was changed within the last second; it differs from machine to machine. A
   * function returns the tag, or `undefined` for none; only a function can give the same strong tag on several machines.
   * @default 'weak'
   */
  etag?: 'weak' | 'strong' | false | ((path: string, stat: fs.Stats) => string | undefined) | undefined
  /**
   * Whether to send Last-Modified, or a function that returns the date (a Date or milliseconds). A modification time of at
   * most one second after 1970 is not a date but the mark of a reproducible build: no header is sent, and the ETag is made
   * of the change time and the inode.
   * @default true
   */
  lastModified?: boolean | ((path: string, stat: fs.Stats) => Date | number | undefined) | undefined
  /**
   * `max-age` of Cache-Control, in milliseconds.
   * @default 0
   */
  maxAge?: number | undefined
  /**
   * Add `immutable` to Cache-Control (RFC 8246).
   * @default false
   */
  immutable?: boolean | undefined
  /**
   * Whether to send Cache-Control, or its value.
   * @default true
   */
  cacheControl?: boolean | string | undefined
  /**
   * Called when a file has been found, before the headers are set. A header that it sets is not changed, except those that
   * describe the body: Content-Length, Content-Range, and Content-Encoding of a precompressed variant. If it answers the
   * request itself, the file is closed.
   */
  headers?: ((res: ServeResponse, path: string, stat: fs.Stats) => void) | undefined
  /**
   * The Content-Type, or a function that returns it.
   * @default by the extension of the name, with `charset=utf-8` for text
   */
  contentType?: string | ((path: string) => string | undefined) | undefined
  /**
   * Send Content-Disposition: attachment, with this file name, or with the name of the file.
   * @default false
   */
  attachment?: boolean | string | undefined
  /**
   * Precompressed variants to look for, best first; `true` for all. The client's `q` values come first, then this order.
   * @default []
   */
  precompressed?: boolean | readonly Encoding[] | undefined
  /**
   * Whether to answer Range requests with 206.
   * @default true
   */
  ranges?: boolean | undefined
  /**
   * The most parts of a multipart/byteranges answer, after overlapping ranges have been merged. A request for more gets the
   * whole file.
   * @default 50
   */
  maxRanges?: number | undefined
  /**
   * Whether to send Accept-Ranges.
   * @default the value of `ranges`
   */
  acceptRanges?: boolean | undefined
  /**
   * Extensions to try, in order, for a name that does not exist and has no extension: `['html']`.
   * @default []
   */
  extensions?: readonly string[] | undefined
  /**
   * Whether `serveStatic()` redirects a folder without a final slash to the one with it. Otherwise it is not found.
   * @default true
   */
  redirect?: boolean | undefined
  /**
   * Whether `serveStatic()` answers with a list of a folder that has no index file.
   * @default false
   */
  listing?: boolean | undefined
  /**
   * Whether symbolic links are followed. `'within-root'`: if the file is below the root, whatever links lead to it.
   * `'deny'`: not at all below the root, or, without a root, nowhere.
   * @default 'within-root' with a root, otherwise 'follow'
   */
  symlinks?: 'follow' | 'within-root' | 'deny' | undefined
  /**
   * Whether `serveStatic()` calls `next()` for a request that it would answer with 400, 403, 404 or 405.
   * @default true if there is a `next`
   */
  fallthrough?: boolean | undefined
  /**
   * Keep files open for later requests: at most `entries` of them (default 1000), each for `maxAge` milliseconds (default
   * 1000), together with the bytes of those up to 64 KiB. The descriptor is examined for every request, so a file that is
   * changed is sent as it is; a file that was deleted, or replaced by a rename, is opened again at once, and one that was
   * replaced in another way after `maxAge`. Calls that pass the same object share one cache. Only files that can be opened
   * without waiting are kept: none of a remote filesystem, none in a worker thread, and none without the addon.
   * @default false
   */
  cache?: false | { readonly entries?: number | undefined; readonly maxAge?: number | undefined } | undefined
  /**
   * The most bytes per second of one response, or a limiter that several share.
   * @default 0
   */
  rate?: number | RateLimiter | undefined
  /** As for {@link sendfile}. */
  burst?: number | undefined
  /** The limiter of a request, for instance one for each user; `undefined` for none. Not beside `rate`. */
  limiter?: ((req: ServeRequest) => RateLimiter | undefined) | undefined
  /**
   * A client that accepts fewer bytes per second is disconnected. See {@link SendfileOptions.minRate}.
   * @default 0
   */
  minRate?: number | undefined
  /**
   * A client that accepts no byte for this number of milliseconds is disconnected.
   * @default 0
   */
  stallTimeout?: number | undefined
  /**
   * As for {@link sendfile}.
   * @default 'auto'
   */
  method?: 'auto' | Method | undefined
  /** Aborts the transfer; the promise rejects with an AbortError. */
  signal?: AbortSignal | undefined
}
