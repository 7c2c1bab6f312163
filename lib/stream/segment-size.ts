/** How many bytes of a piped stream the destination gets next, as a marker or as a chunk. */
import http from 'node:http'

import { AdaptiveSize } from '../executor/chunk-size.ts'
import { AnnouncedLength, type Shortfall } from '../node/announced-length.ts'
import { fixHeader, isWrapped, wrapperObstacle } from '../destination/stream.ts'
import type { Obstacle } from '../errors/obstacle.ts'
import type { Destination } from '../hooks/hold.ts'
import { hasBody } from '../node/outgoing-message.ts'
import { type FileStream, onlyPipe } from '../node/readable.ts'
import type { MarkerRoute } from '../ordering/placement.ts'
import type { Pace } from '../wait/pace.ts'
import type { Settings } from '../options/read-stream.ts'

const LEAST = 1 << 20
const MOST = 16 << 20
/** After a segment that took at most this time, the next one is larger. */
const QUICK_MS = 50

export class SegmentSize {
  readonly #source: FileStream
  readonly #destination: Destination
  readonly #segment: number | undefined
  readonly #pace: Pace | undefined
  /** Created for the first marker: most files need none. */
  #adaptive: AdaptiveSize | undefined
  /** The announced length of the message that is the destination. */
  readonly #announced: AnnouncedLength | undefined
  /** Bytes that may bypass a wrapped `write`. */
  #allowance: number | undefined

  /** `shortfall` creates the error for a message whose body is too short. */
  constructor(
    source: FileStream,
    destination: Destination,
    { segment }: Settings,
    pace: Pace | undefined,
    shortfall: Shortfall,
  ) {
    this.#source = source
    this.#destination = destination
    this.#segment = segment
    this.#pace = pace
    this.#announced = destination instanceof http.OutgoingMessage ? AnnouncedLength.of(destination) : undefined
    if (this.#announced !== undefined) this.#announced.shortfall = shortfall
  }

  /** The error that the message was destroyed with because its body is too short. */
  get failure(): Error | undefined {
    return this.#announced?.failure
  }

  /**
   * The most bytes that may be read for the destination. It is 0 when the announced length has been reached: the stream then
   * ends as if the file ended. There is no limit if the stream has other consumers, or if `write` is wrapped.
   */
  get room(): number {
    const destination = this.#destination
    if (this.#announced === undefined || onlyPipe(this.#source) !== destination) return Infinity
    if (!(destination instanceof http.OutgoingMessage) || isWrapped(destination)) return Infinity
    return this.#announced.room - this.#source.readableLength
  }

  /** The size of the next chunk, at most `size`, as far as {@link room} allows it. */
  ofChunk(size: number): number {
    return Math.min(size, this.#step)
  }

  /** The length of the next marker if `left` bytes of the file remain; 0 or an obstacle if a marker cannot be used. */
  ofMarker(route: MarkerRoute, left: number): number | Obstacle {
    if (left <= 0) return 0
    const most = Math.min(left, this.#segment ?? this.#growing.value, this.#step)
    if (route.by === 'socket') return most
    // HEAD, 204, 304: http discards the body, whatever its length.
    if (!hasBody(route.message)) return left
    if (isWrapped(route.message)) {
      const obstacle = this.#allowance === undefined ? wrapperObstacle(route.message, left) : undefined
      if (obstacle !== undefined) return obstacle
      this.#allowance ??= left
    } else {
      // A marker cannot be shortened, so the headers must be final before.
      fixHeader(route.message)
      if (!hasBody(route.message)) return left
    }
    return Math.min(most, this.#allowance ?? most, this.#announced?.left ?? most)
  }

  /** A marker of this length bypasses a wrapped `write`. */
  passedWrapper(length: number): void {
    this.#allowance = (this.#allowance ?? 0) - length
  }

  /** A segment has taken this time, in ms. */
  took(ms: number): void {
    this.#growing.took(ms)
  }

  get #growing(): AdaptiveSize {
    return (this.#adaptive ??= new AdaptiveSize(LEAST, MOST, QUICK_MS))
  }

  get #step(): number {
    return this.#pace?.step ?? Infinity
  }
}
