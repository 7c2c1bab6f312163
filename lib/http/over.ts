/** When a response is over: the connection has accepted all of it, or has been lost. */
import http from 'node:http'

import { closedState, serverSocket } from '../destination/stream.ts'
import { unwatch, watch, type Watcher } from '../wait/closed.ts'
import type { ServeResponse } from './request/options.ts'

/** Whether the response is ended, destroyed or without a connection. */
export function isOver(res: ServeResponse): boolean {
  return closedState(res) !== undefined
}

/** Resolves with whether the connection has accepted the whole response. Must be called before `res.end()`. */
export function whenOver(res: ServeResponse): Promise<boolean> {
  if (isOver(res)) return Promise.resolve(false)
  return new Promise((resolve) => void new Over(res, resolve))
}

class Over implements Watcher {
  readonly #res: ServeResponse
  readonly #resolve: (isComplete: boolean) => void
  /** Only of a response that waits for earlier ones: such a response emits no 'close' when the connection is lost. */
  readonly #socket: ReturnType<typeof serverSocket>

  constructor(res: ServeResponse, resolve: (isComplete: boolean) => void) {
    this.#res = res
    this.#resolve = resolve
    this.#socket = res instanceof http.ServerResponse && res.socket === null ? serverSocket(res) : undefined
    watch(res, this, { errors: true, finish: true })
    if (this.#socket !== undefined) watch(this.#socket, this, { errors: false })
  }

  finished(): void {
    this.#settle(true)
  }

  closed(): void {
    this.#settle(this.#res.writableFinished === true)
  }

  #settle(isComplete: boolean): void {
    unwatch(this.#res, this)
    if (this.#socket !== undefined) unwatch(this.#socket, this)
    this.#resolve(isComplete)
  }
}
