/** How many bytes of a file stream its destination gets next: by a marker, or in a chunk. */
import http from 'node:http'

import { AdaptiveSize } from '../executor/chunk-size.ts'
import { AnnouncedLength, type Shortfall } from '../node/announced-length.ts'
import { isWrapped, wrapperObstacle } from '../destination/stream.ts'
import type { Obstacle } from '../errors/obstacle.ts'
import type { Destination } from '../destination/hold.ts'
import { hasBody } from '../node/message-hook.ts'
import { fixHeader } from '../node/outgoing-message.ts'
import { type FileStream, onlyPipe } from '../node/readable.ts'
import type { MarkerRoute } from '../ordering/placement.ts'
import type { Pace } from '../transfer/pace.ts'
import type { Settings } from '../options/read-stream.ts'

const LEAST = 1 << 20
const MOST = 16 << 20
/** A segment that was taken within this time is followed by a larger one. */
const QUICK_MS = 50

export class SegmentSize {
  readonly #source: FileStream
  readonly #destination: Destination
  readonly #segment: number | undefined
  readonly #pace: Pace | undefined
  readonly #adaptive = new AdaptiveSize(LEAST, MOST, QUICK_MS)
  /** What the message that is piped to has announced of its body. */
  readonly #announced: AnnouncedLength | undefined
  /** Bytes that may go past a wrapped `write`. */
  #allowance: number | undefined

  /** `shortfall` makes the error of a message that the stream was too short for. */
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

  /** What the message was destroyed with because its body is too short. */
  get failure(): Error | undefined {
    return this.#announced?.failure
  }

  /**
   * Most bytes that may be read for the destination. None are left where it has all that it has announced, and gets the
   * bytes as they are: then the stream ends, as if the file did. Others who read the stream get what there is.
   */
  get room(): number {
    const destination = this.#destination
    if (this.#announced === undefined || onlyPipe(this.#source) !== destination) return Infinity
    if (!(destination instanceof http.OutgoingMessage) || isWrapped(destination)) return Infinity
    return this.#announced.room - this.#source.readableLength
  }

  /** Of the next chunk, for which `size` bytes would be read otherwise. */
  ofChunk(size: number): number {
    return Math.min(size, this.#step, this.room)
  }

  /** Of the next marker, where `left` bytes are left of the file; 0 if there can be none, or why. */
  ofMarker(route: MarkerRoute, left: number): number | Obstacle {
    if (left <= 0) return 0
    const most = Math.min(left, this.#segment ?? this.#adaptive.value, this.#step)
    if (route.by === 'socket') return most
    // HEAD, 204, 304: http throws away what it is given, however much that is.
    if (!hasBody(route.message)) return left
    if (isWrapped(route.message)) {
      const obstacle = this.#allowance === undefined ? wrapperObstacle(route.message, left) : undefined
      if (obstacle !== undefined) return obstacle
      this.#allowance ??= left
    } else {
      // A marker cannot be cut: what the headers announce has to be known before.
      fixHeader(route.message)
      if (!hasBody(route.message)) return left
    }
    return Math.min(most, this.#allowance ?? most, this.#announced?.left ?? most)
  }

  /** A marker of this length goes past a wrapped `write`. */
  passedWrapper(length: number): void {
    this.#allowance = (this.#allowance ?? 0) - length
  }

  /** A marker was taken within so many ms. */
  took(ms: number): void {
    this.#adaptive.took(ms)
  }

  get #step(): number {
    return this.#pace?.step ?? Infinity
  }
}
