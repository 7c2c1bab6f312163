/** Calls `onProgress` at most once per `progressInterval`. */
import type { Method, Request } from '../options/sendfile.ts'

export class ProgressReport {
  readonly #request: Request
  /** The earliest time of the next call, in ms. */
  #due: number

  constructor(request: Request, now: number) {
    this.#request = request
    this.#due = now + request.progressInterval
  }

  /** Reports progress. Throws what `onProgress` throws. */
  moved(bytesSent: number, total: number | null, method: Method): void {
    const now = performance.now()
    if (now < this.#due) return
    this.#due = now + this.#request.progressInterval
    this.finished(bytesSent, total, method)
  }

  /** Reports the end. Throws what `onProgress` throws. */
  finished(bytesSent: number, total: number | null, method: Method): void {
    const { onProgress } = this.#request
    if (onProgress !== undefined) Reflect.apply(onProgress, undefined, [{ bytesSent, total, method }])
  }
}
