/** The portable executor: performs the steps of the planner by reading and writing in JavaScript. */
import type { AdaptiveSize } from './chunk-size.ts'
import { anyBinding, type Planner } from '../native/load.ts'
import { ChunkReader } from './chunk-reader.ts'
import { movePosition } from '../node/fs.ts'
import type { Obstacle } from '../errors/obstacle.ts'
import { DONE, type Ending, type RangeEnd, TRUNCATED } from './end.ts'
import { END, HAPPENED, STEP } from '../native/codes.ts'
import { add } from '../options/validate.ts'
import type { Request } from '../options/sendfile.ts'
import type { OpenFile, Range } from './range.ts'
import { STALLED, type Stop, STOPPED } from '../wait/stop.ts'
import { bucketOf, onRateChange } from '../native/rate-bucket.ts'

/** The options of a transfer that the executor needs besides the range. */
export type RangeOptions = Pick<
  Request,
  'headers' | 'trailers' | 'quantum' | 'rate' | 'burst' | 'limiter' | 'minRate' | 'minRateWindow' | 'stallTimeout'
>

/** The receiver of the chunks. */
export interface Taker {
  /** Takes a chunk. Returns a promise if the destination is full, which resolves when it accepts more. */
  take(chunk: Buffer): Promise<void> | undefined
  /** How much has not been sent yet, in bytes or in any measure that decreases as bytes are sent. */
  outstanding(): number
  /** The bytes of the last chunk that will not reach the kernel. Never rejects. */
  unsent?(): Promise<number>
  /** How many times the destination was full. */
  readonly wouldBlock: number
  /** Reports the bytes of the range that have been taken so far. */
  progress(bytesSent: number): void
}

/** Moves a range in chunks of the size that `size` determines. `stop` ends it between two steps. Never rejects. */
export function copyRange(
  range: Range,
  options: RangeOptions,
  size: AdaptiveSize,
  taker: Taker,
  stop: Stop,
  obstacle: Obstacle | undefined,
): Promise<RangeEnd> {
  return new CopyRun(range, options, size, taker, stop).run(obstacle)
}

class CopyRun {
  readonly #range: Range
  readonly #options: RangeOptions
  readonly #size: AdaptiveSize
  readonly #taker: Taker
  readonly #stop: Stop
  readonly #planner: Planner
  readonly #reader: ChunkReader
  /** The destination is full until this is fulfilled. */
  #full: Promise<void> | undefined
  /** The time when the last bytes were written. */
  #handedAt = 0
  /** Whether the last bytes belong to the range, not to headers or trailers. */
  #ofRange = false
  /** Bytes of the range that have been written. */
  #handed = 0
  /** The end that an exception belongs to. */
  #asked: 'source' | 'destination' = 'destination'

  constructor(range: Range, options: RangeOptions, size: AdaptiveSize, taker: Taker, stop: Stop) {
    const { headers, trailers, rate, burst, stallTimeout, minRate, minRateWindow } = options
    const quantum = Math.min(size.most, options.quantum)
    const limiter = options.limiter === undefined ? 0 : bucketOf(options.limiter).id
    const lengths = { headers: headers.length, trailers: trailers.length }
    const plan = { quantum, ...lengths, rate, burst, limiter, stallTimeout, minRate, minRateWindow }
    this.#planner = new (anyBinding().Planner)(range.offset, range.count ?? null, plan, performance.now())
    this.#reader = new ChunkReader(range)
    this.#range = range
    this.#options = options
    this.#size = size
    this.#taker = taker
    this.#stop = stop
  }

  async run(obstacle: Obstacle | undefined): Promise<RangeEnd> {
    const { limiter } = this.#options
    const unsubscribe = limiter === undefined ? undefined : onRateChange(limiter, () => this.#stop.wake())
    const ending = await this.#move()
    unsubscribe?.()
    await this.#reader.rest()
    const left = (await this.#taker.unsent?.()) ?? 0
    const unsent = this.#ofRange ? left : 0
    // A transfer whose bytes have been sent does not depend on what happens to the destination from here on.
    const { why } = this.#stop
    const { file, ownPosition } = this.#range
    if (ownPosition) await this.#takePosition(file, unsent)
    const { wouldBlock } = this.#taker
    const bytesSent = this.#planner.bytesSent - unsent
    const figures = { bytesSent, syscalls: 0, wouldBlock, method: 'copy', refusals: [], obstacle } as const
    // A transfer that is stopped after its last chunk was written is done, unless a part of the chunk was not sent.
    if (ending.kind === 'done' && why !== undefined && (left > 0 || why.kind !== 'stopped'))
      return { ...figures, ...why }
    return { ...figures, ...ending }
  }

  async #move(): Promise<Ending> {
    try {
      return this.#planned(await this.#steps())
    } catch (error) {
      return { kind: 'threw', by: this.#asked, error }
    }
  }

  /** `end`: a value of `END`. */
  #planned(end: number): Ending {
    switch (end) {
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

  /** Moves the file position of the source by the number of bytes sent, not by the number read. */
  #takePosition({ native, fd }: OpenFile, unsent: number): void | Promise<void> {
    const sent = this.#planner.bytesSent - unsent
    if (native !== undefined) native.position = add(this.#range.offset, sent)
    else if (this.#range.positionUnknown !== true) return movePosition(fd, sent)
  }

  /** Performs all steps. Creates a promise only if there is something to wait for. Returns a value of `END`. */
  async #steps(): Promise<number> {
    for (let answer = this.#next(HAPPENED.nothing); ;) {
      if (this.#stop.stopped) answer = this.#next(HAPPENED.aborted)
      const step = answer % STEP.kinds
      const figure = (answer - step) / STEP.kinds
      if (step === STEP.over) return figure
      const next = this.#take(step, figure)
      answer = typeof next === 'number' ? next : await next
    }
  }

  /** Reports an event to the planner and returns its next step. */
  #next(happened: number, bytes = 0): number {
    const looks = happened === HAPPENED.nothing || happened === HAPPENED.busy
    return this.#planner.next(performance.now(), happened, bytes, looks ? this.#taker.outstanding() : 0)
  }

  #take(step: number, figure: number): number | Promise<number> {
    switch (step) {
      case STEP.chunk:
        return this.#chunk(Math.min(figure, this.#size.value))
      case STEP.headers:
        return this.#hand(this.#options.headers)
      case STEP.trailers:
        return this.#hand(this.#options.trailers)
      default:
        return this.#wait(figure === 0 ? Infinity : figure)
    }
  }

  #chunk(size: number): number | Promise<number> {
    this.#asked = 'source'
    const chunk = this.#reader.read(size, this.#stop)
    return chunk instanceof Promise ? chunk.then((bytes) => this.#read(bytes)) : this.#read(chunk)
  }

  #read(chunk: Buffer): number {
    this.#asked = 'destination'
    if (this.#stop.stopped) return this.#next(HAPPENED.aborted)
    if (chunk.length === 0) return this.#next(HAPPENED.sourceEnded)
    // With a rate, the next chunk may have to be shorter.
    const { rate, limiter } = this.#options
    if (rate === 0 && limiter === undefined) this.#reader.readAhead(Math.min(this.#size.value, this.#options.quantum))
    const answer = this.#hand(chunk)
    this.#ofRange = true
    this.#handed += chunk.length
    this.#taker.progress(this.#handed)
    return answer
  }

  #hand(bytes: Buffer): number {
    this.#ofRange = false
    this.#handedAt = performance.now()
    this.#full = this.#taker.take(bytes)
    if (this.#full === undefined) {
      this.#size.took(performance.now() - this.#handedAt)
      return this.#next(HAPPENED.taken, bytes.length)
    }
    this.#full.catch(() => {}) // #wait reports a rejection; after a stop there is nothing to report to
    return this.#next(HAPPENED.busy, bytes.length)
  }

  async #wait(most: number): Promise<number> {
    if (!(await this.#stop.sooner(most, this.#full))) return this.#next(HAPPENED.nothing)
    this.#full = undefined
    this.#size.took(performance.now() - this.#handedAt)
    return this.#next(HAPPENED.ready)
  }
}
