/** sendfile64/http: answers http requests with files. */
export type { Encoding, ServeOptions, ServeRequest, ServeResponse } from './lib/http/request/options.ts'
export { serveFile, type ServeResult } from './lib/http/serve-file.ts'
export { serveStatic, type StaticHandler } from './lib/http/serve-static.ts'
