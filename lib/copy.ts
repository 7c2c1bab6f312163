/** The portable executor: asks the planner what comes next, reads it and hands it on, in JavaScript. */
import { anyBinding, type Planner } from './binding.ts'
import { add, type Bytes } from './option-values.ts'
import { movePosition, readInto } from './descriptor-status.ts'
import { END, STEP } from './native/codes.ts'
import type { Request } from './options.ts'
import type { OpenFile } from './source.ts'
import type { Stop } from './stop.ts'

/** Which bytes of which file. */
export interface Range {
  readonly file: OpenFile
  /** The first byte; the source's own position if `ownPosition`. */
  readonly offset: Bytes
  readonly ownPosition: boolean
  /** Nobody can tell that position: `offset` is counted from it, and reading moves it. */
  readonly positionUnknown?: boolean
  /** `undefined`: until the file ends. */
  readonly count: Bytes | undefined
}

/** How a range ended, by whichever executor. */
export interface RangeEnd {
  readonly bytesSent: number
  /** A value of `END`. */
  readonly end: number
  /** The kernel's answer behind it, positive; 0 if there is none. */
  readonly errno: number
  readonly syscalls: number
  readonly wouldBlock: number
  /** What the file or the destination threw. */
  readonly error?: unknown
  /** The socket was destroyed meanwhile, with or without an error. */
  readonly destroyedBy?: { readonly error: Error | null }
}

/** What a transfer asks for beside its range. */
export type Terms = Pick<Request, 'headers' | 'trailers' | 'rate' | 'burst' | 'stallTimeout'>

/** Where the chunks go. */
export interface Taker {
  /** Takes a chunk; a promise if the destination asked to wait, pending until it goes on. */
  take(chunk: Buffer): Promise<void> | undefined
  /** How much of what it took is still on its way, in bytes or any measure that falls as they go. */
  outstanding(): number
  /** Of the last chunk, the bytes that the kernel will not get; for destinations whose `take` is not the last word. */
  unsent?(): Promise<number>
  /** Bytes have been taken: how many of the range so far. */
  progress(bytesSent: number): void
}

/** Moves a range. `chunkSize` in bytes. Stopped, it ends between any two steps. Never rejects. */
export async function copyRange(
  range: Range,
  terms: Terms,
  chunkSize: number,
  taker: Taker,
  stop: Stop,
): Promise<RangeEnd> {
  const run = new CopyRun(range, terms, chunkSize, taker, stop)
  const failure = await run.finish()
  return run.end(failure)
}

class CopyRun {
  readonly #range: Range
  readonly #terms: Terms
  readonly #taker: Taker
  readonly #stop: Stop
  readonly #planner: Planner
  /** The destination has asked to wait; it goes on when this is fulfilled. */
  #full: Promise<void> | undefined
  #stalledAtEnd = false
  /** The last bytes that were handed on are of the range. */
  #ofRange = false
  /** Bytes of the range that were handed on and not accepted. */
  #unsent = 0

  constructor(range: Range, terms: Terms, chunkSize: number, taker: Taker, stop: Stop) {
    const { headers, trailers, rate, burst, stallTimeout } = terms
    const plan = { quantum: chunkSize, headers: headers.length, trailers: trailers.length, rate, burst, stallTimeout }
    this.#planner = new (anyBinding().Planner)(range.offset, range.count ?? null, plan, performance.now())
    this.#range = range
    this.#terms = terms
    this.#taker = taker
    this.#stop = stop
  }

  async finish(): Promise<{ error: unknown } | undefined> {
    const { file, ownPosition } = this.#range
    try {
      while (await this.#step()) {
        // on with it
      }
      await this.#settle()
      return undefined
    } catch (error) {
      return { error }
    } finally {
      const unsent = (await this.#taker.unsent?.()) ?? 0
      if (this.#ofRange) this.#unsent = unsent
      if (ownPosition) await this.#takePosition(file)
    }
  }

  /** The position of the source moves by what was sent, whatever was read. */
  #takePosition({ native, fd }: OpenFile): void | Promise<void> {
    const { offset, bytesSent } = this.#planner
    if (native !== undefined) native.position = add(offset, -this.#unsent)
    else if (this.#range.positionUnknown !== true) return movePosition(fd, bytesSent - this.#unsent)
  }

  end(failure: { error: unknown } | undefined): RangeEnd {
    const { bytesSent, wouldBlock, end } = this.#planner
    const how = this.#stalledAtEnd ? END.stalled : (end ?? END.failed)
    return { bytesSent: bytesSent - this.#unsent, end: how, errno: 0, syscalls: 0, wouldBlock, ...failure }
  }

  /** Returns whether there is another one. */
  async #step(): Promise<boolean> {
    if (this.#stop.stopped) this.#planner.abort()
    switch (this.#planner.step(performance.now())) {
      case STEP.over:
        return false
      case STEP.chunk:
        await this.#chunk()
        return true
      case STEP.headers:
        this.#hand(this.#terms.headers)
        return true
      case STEP.trailers:
        this.#hand(this.#terms.trailers)
        return true
      default:
        await this.#wait()
        return true
    }
  }

  async #chunk(): Promise<void> {
    const { file, positionUnknown } = this.#range
    const planner = this.#planner
    const position = positionUnknown === true ? null : planner.offset
    const size = planner.size(performance.now())
    const chunk = await (file.read === undefined ? read(file.fd, size, position) : file.read(size, this.#stop))
    if (this.#stop.stopped) return planner.abort()
    if (chunk.length === 0) return planner.endOfFile(performance.now())
    this.#hand(chunk)
    this.#ofRange = true
    this.#taker.progress(planner.bytesSent)
  }

  #hand(bytes: Buffer): void {
    this.#ofRange = false
    this.#full = this.#taker.take(bytes)
    this.#full?.catch(() => {}) // whoever waits for it hears of it; after a stop nobody does
    this.#planner.moved(bytes.length, this.#full !== undefined, performance.now())
  }

  async #wait(): Promise<void> {
    const now = performance.now()
    const { stallTimeout } = this.#terms
    const patience = this.#planner.patience(now)
    const full = this.#full
    if (full === undefined) return void (await this.#stop.sooner(patience))
    const before = this.#taker.outstanding()
    // A destination that moves, however slowly, has not stalled: it is looked at four times before it is given up.
    const goesOn = await this.#stop.sooner(stallTimeout > 0 ? Math.min(patience, stallTimeout / 4) : patience, full)
    if (goesOn) {
      this.#full = undefined
      this.#planner.ready()
    } else if (this.#taker.outstanding() !== before) {
      this.#planner.movement(performance.now())
    } else {
      this.#planner.time(performance.now())
    }
  }

  /** The planner's work is done when the last byte is taken; ours, when the destination goes on after it. */
  async #settle(): Promise<void> {
    const { stallTimeout } = this.#terms
    let since = performance.now()
    for (let left = this.#taker.outstanding(); this.#full !== undefined && !this.#stop.stopped;) {
      if (await this.#stop.sooner(stallTimeout > 0 ? stallTimeout / 4 : Infinity, this.#full)) return
      if (this.#taker.outstanding() !== left) {
        left = this.#taker.outstanding()
        since = performance.now()
      } else if (performance.now() - since >= stallTimeout && !this.#stop.stopped) {
        this.#stalledAtEnd = true
        return
      }
    }
  }
}

/** A fresh buffer for each chunk: who takes it may keep it. */
async function read(fd: number, size: number, position: Bytes | null): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(size)
  const bytes = await readInto(buffer, fd, size, position)
  return bytes === size ? buffer : buffer.subarray(0, bytes)
}
