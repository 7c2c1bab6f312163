/** Checks a request and its response, and answers after a refusal or a fault. */
import http from 'node:http'

import { headersSent, invalidType } from '../errors/node-error.ts'
import { badDestination } from '../errors/sendfile-error.ts'
import { answer, type Answered } from './answer.ts'
import { deliver } from './deliver.ts'
import { isOver } from './over.ts'
import type { ServeRequest, ServeResponse } from './request/options.ts'
import { type Representation, vary } from './file/representation.ts'
import type { Settings } from './request/settings.ts'

/**
 * Checks that the request can be answered.
 * @throws {TypeError} ERR_INVALID_ARG_TYPE
 * @throws {Error} ERR_HTTP_HEADERS_SENT
 * @throws {SendfileError} ERR_SENDFILE_DESTINATION
 */
export function requireExchange(req: unknown, res: unknown): void {
  if (!isRequest(req)) throw invalidType('req', 'an instance of IncomingMessage or Http2ServerRequest', req)
  if (!isResponse(res)) throw invalidType('res', 'an instance of ServerResponse or Http2ServerResponse', res)
  if (isOver(res)) throw badDestination('The response is ended, or its client has disconnected')
  if (res.headersSent) throw headersSent()
}

function isRequest(req: unknown): req is ServeRequest {
  if (req instanceof http.IncomingMessage) return true
  return typeof req === 'object' && req !== null && 'headers' in req && 'method' in req && 'url' in req
}

function isResponse(res: unknown): res is ServeResponse {
  if (res instanceof http.ServerResponse) return true
  return typeof res === 'object' && res !== null && 'setHeader' in res && 'end' in res && 'headersSent' in res
}

/** Whether the method is GET or HEAD. */
export function isRead({ method }: ServeRequest): boolean {
  return method === 'GET' || method === 'HEAD'
}

/** Answers without a file. */
export function refuse(
  req: ServeRequest,
  res: ServeResponse,
  status: 400 | 403 | 404 | 405,
  { precompressed }: Settings,
): Promise<Answered> {
  if (status === 405) return answer(req, res, status, { Allow: 'GET, HEAD' })
  // The existence of a file may depend on the encodings that the client accepts.
  if (precompressed.length > 0) vary(res)
  return answer(req, res, status)
}

/** Answers with a file, which is closed before the promise settles. */
export async function deliverAndClose(
  req: ServeRequest,
  res: ServeResponse,
  found: Representation,
  settings: Settings,
): Promise<Answered> {
  try {
    return await deliver(req, res, found, settings)
  } finally {
    await found.entry.close()
  }
}

/** Answers with 500 and the headers that were `present` before; within an answer, destroys the connection. */
export async function fail(req: ServeRequest, res: ServeResponse, present: ReadonlySet<string>): Promise<void> {
  if (isOver(res)) return
  if (res.headersSent) return void res.destroy()
  takeBack(res, present)
  await answer(req, res, 500)
}

/** Removes the headers that have been set since. */
export function takeBack(res: ServeResponse, present: ReadonlySet<string>): void {
  for (const name of res.getHeaderNames()) if (!present.has(name)) res.removeHeader(name)
}
