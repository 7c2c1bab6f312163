/** The portable executor: asks the planner what comes next, reads it and hands it on, in JavaScript. */
import { anyBinding, type Planner } from './binding.ts'
import { movePosition, readInto } from './descriptor-status.ts'
import type { Obstacle } from './errors/obstacle.ts'
import { DONE, type Ending, type RangeEnd, STALLED, STOPPED, TRUNCATED } from './executor/end.ts'
import { add, type Bytes } from './option-values.ts'
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

/** What a transfer asks for beside its range. */
export type Terms = Pick<Request, 'headers' | 'trailers' | 'rate' | 'burst' | 'stallTimeout'>

/** Where the chunks go. */
export interface Taker {
  /** Takes a chunk; a promise if the destination asked to wait, pending until it goes on. */
  take(chunk: Buffer): Promise<void> | undefined
  /** How much of what it took is still on its way, in bytes or any measure that falls as they go. */
  outstanding(): number
  /** Of the last chunk, the bytes that the kernel will not get if nothing more is done. Never rejects. */
  unsent?(): Promise<number>
  /** How often the destination has asked to wait. */
  readonly wouldBlock: number
  /** Bytes have been taken: how many of the range so far. */
  progress(bytesSent: number): void
}

/** Moves a range. `chunkSize` in bytes. Stopped, it ends between any two steps. Never rejects. */
export function copyRange(
  range: Range,
  terms: Terms,
  chunkSize: number,
  taker: Taker,
  stop: Stop,
  obstacle: Obstacle | undefined,
): Promise<RangeEnd> {
  return new CopyRun(range, terms, chunkSize, taker, stop).run(obstacle)
}

class CopyRun {
  readonly #range: Range
  readonly #terms: Terms
  readonly #taker: Taker
  readonly #stop: Stop
  readonly #planner: Planner
  /** The destination has asked to wait; it goes on when this is fulfilled. */
  #full: Promise<void> | undefined
  /** The last bytes that were handed on are of the range. */
  #ofRange = false
  /** Whose failure an exception is. */
  #asked: 'source' | 'destination' = 'destination'

  constructor(range: Range, terms: Terms, chunkSize: number, taker: Taker, stop: Stop) {
    const { headers, trailers, rate, burst, stallTimeout } = terms
    const plan = { quantum: chunkSize, headers: headers.length, trailers: trailers.length, rate, burst, stallTimeout }
    this.#planner = new (anyBinding().Planner)(range.offset, range.count ?? null, plan, performance.now())
    this.#range = range
    this.#terms = terms
    this.#taker = taker
    this.#stop = stop
  }

  async run(obstacle: Obstacle | undefined): Promise<RangeEnd> {
    const ending = await this.#move()
    const left = (await this.#taker.unsent?.()) ?? 0
    const unsent = this.#ofRange ? left : 0
    const { file, ownPosition } = this.#range
    if (ownPosition) await this.#takePosition(file, unsent)
    const { wouldBlock } = this.#taker
    const bytesSent = this.#planner.bytesSent - unsent
    const figures = { bytesSent, syscalls: 0, wouldBlock, method: 'copy', refusals: [], obstacle } as const
    // A transfer that is stopped when the last chunk has been handed on is done, unless some of it stays behind.
    const { why } = this.#stop
    if (ending.kind === 'done' && why !== undefined && (left > 0 || why.kind !== 'stopped'))
      return { ...figures, ...why }
    return { ...figures, ...ending }
  }

  async #move(): Promise<Ending> {
    try {
      while (await this.#step()) {
        // on with it
      }
      const ending = this.#planned()
      const isOver = ending.kind === 'done' || ending.kind === 'truncated'
      return isOver && !(await this.#settle()) ? STALLED : ending
    } catch (error) {
      return { kind: 'threw', by: this.#asked, error }
    }
  }

  #planned(): Ending {
    switch (this.#planner.end) {
      case END.done:
        return DONE
      case END.truncated:
        return TRUNCATED
      case END.stalled:
        return STALLED
      default:
        return this.#stop.why ?? STOPPED
    }
  }

  /** The position of the source moves by what was sent, whatever was read. */
  #takePosition({ native, fd }: OpenFile, unsent: number): void | Promise<void> {
    const { offset, bytesSent } = this.#planner
    if (native !== undefined) native.position = add(offset, -unsent)
    else if (this.#range.positionUnknown !== true) return movePosition(fd, bytesSent - unsent)
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
    this.#asked = 'source'
    const chunk = await (file.read === undefined ? read(file.fd, size, position) : file.read(size, this.#stop))
    this.#asked = 'destination'
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

  /**
   * The planner's work is done when the last byte is taken; ours, when the destination goes on after it. Returns false if
   * it does not within the stall timeout.
   */
  async #settle(): Promise<boolean> {
    const { stallTimeout } = this.#terms
    let since = performance.now()
    for (let left = this.#taker.outstanding(); this.#full !== undefined && !this.#stop.stopped;) {
      if (await this.#stop.sooner(stallTimeout > 0 ? stallTimeout / 4 : Infinity, this.#full)) return true
      if (this.#taker.outstanding() !== left) {
        left = this.#taker.outstanding()
        since = performance.now()
      } else if (performance.now() - since >= stallTimeout && !this.#stop.stopped) {
        return false
      }
    }
    return true
  }
}

/** A fresh buffer for each chunk: who takes it may keep it. */
async function read(fd: number, size: number, position: Bytes | null): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(size)
  const bytes = await readInto(buffer, fd, size, position)
  return bytes === size ? buffer : buffer.subarray(0, bytes)
}
