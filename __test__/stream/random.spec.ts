// Streams with random operations of their users: every byte of the range is delivered once and in order. Node's own
// streams are tested in the same way, so that the expectation is that of Node.
import { once } from 'node:events'
import fs from 'node:fs'
import http from 'node:http'
import { PassThrough, type Readable, type Writable } from 'node:stream'
import test, { type ExecutionContext } from 'ava'

import { createReadStream } from '../../index.ts'
import { connectedPair, portOf } from '../fixtures/connected-pair.ts'
import { misplaced, missing, piecesOf } from '../fixtures/pieces.ts'
import { sampleBytes, writeSample } from '../fixtures/sample-file.ts'
import { within } from '../fixtures/within.ts'

/** SENDFILE64_TEST_SEEDS=1-5000 runs more seeds. */
const { SENDFILE64_TEST_SEEDS: seeds = '1-24' } = process.env
const [FIRST = 1, LAST = 24] = seeds.split('-').map(Number)
const SIZES = [0, 1, 65_536, 65_537, 300_000, 1 << 20, (3 << 20) + 17, 9 << 20]
const contents = sampleBytes(9 << 20)
const paths = new Map(SIZES.map((size) => [size, writeSample(contents.subarray(0, size))]))

/** Numbers from 0 to 1 that are the same for the same seed (xorshift32). */
class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = seed * 0x9e3779b1 || 1
    for (let warm = 0; warm < 8; warm += 1) this.#next()
  }

  /** An integer from 0, less than `most`. */
  below(most: number): number {
    return Math.floor((this.#next() / 2 ** 32) * most)
  }

  /** True with a probability of `percent`. */
  chance(percent: number): boolean {
    return this.below(100) < percent
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!
  }

  #next(): number {
    let state = this.#state
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    this.#state = state
    return state >>> 0
  }
}

/** A destination to pipe to. */
interface Sink {
  readonly name: string
  readonly destination: Writable
  /** The other end. */
  readonly peer: Readable
  readonly chunks: Buffer[]
  readonly closed: Promise<unknown>
  isPiped: boolean
  isCorked: boolean
}

function sinkOf(name: string, destination: Writable, peer: Readable): Sink {
  const chunks: Buffer[] = []
  peer.on('data', (chunk: Buffer) => chunks.push(chunk))
  return { name, destination, peer, chunks, closed: once(peer, 'close'), isPiped: false, isCorked: false }
}

async function socketSink(t: ExecutionContext): Promise<Sink> {
  const { near, far } = await connectedPair(t)
  return sinkOf('socket', near, far)
}

async function responseSink(t: ExecutionContext): Promise<Sink> {
  const server = http.createServer()
  const request = http.get({ port: await portOf(server), agent: false })
  t.teardown(() => server.closeAllConnections())
  const [, response]: http.ServerResponse[] = await once(server, 'request')
  server.close()
  response!.flushHeaders()
  const [answer]: http.IncomingMessage[] = await once(request, 'response')
  return sinkOf('response', response!, answer!)
}

async function passSink(): Promise<Sink> {
  const pass = new PassThrough()
  return sinkOf('PassThrough', pass, pass)
}

const SINKS = [socketSink, socketSink, socketSink, responseSink, passSink] as const

/** A stream, its consumers and the operations so far. */
class Scene {
  readonly story: string[] = []
  readonly readByHand: Buffer[] = []
  readonly listened: Buffer[][] = []
  readonly #dice: Dice
  readonly #stream: fs.ReadStream
  readonly #sinks: readonly Sink[]
  #listeners: ((chunk: Buffer | string) => void)[] = []
  #onReadable: (() => void) | undefined

  constructor(dice: Dice, stream: fs.ReadStream, sinks: readonly Sink[]) {
    this.#dice = dice
    this.#stream = stream
    this.#sinks = sinks
  }

  readonly #actions: Readonly<Record<string, () => void>> = {
    pipe: () => this.#pipe(this.#sinks.find(({ isPiped }) => !isPiped)),
    unpipe: () => this.#unpipe(this.#dice.of(this.#sinks)),
    'unpipe all': () => {
      for (const sink of this.#sinks) sink.isPiped = false
      this.#stream.unpipe()
      // If one of several pipes was waiting for 'drain', Node lets the stream flow without a consumer.
      this.#stream.pause()
    },
    pause: () => this.#stream.pause(),
    resume: () => this.#isTaken() && this.#stream.resume(),
    'on data': () => this.#listen(),
    'off data': () => this.#unlisten(),
    'on readable': () => this.#readByEvents(),
    'off readable': () => this.#readNoMore(),
    read: () => this.#read(this.#dice.of([undefined, 100, 5000])),
    'peer stops': () => this.#dice.of(this.#sinks).peer.pause(),
    'peer goes on': () => this.#dice.of(this.#sinks).peer.resume(),
    cork: () => this.#cork(this.#dice.of(this.#sinks), true),
    uncork: () => this.#cork(this.#dice.of(this.#sinks), false),
  }

  async play(): Promise<void> {
    const names = Object.keys(this.#actions)
    if (this.#dice.chance(80)) this.#act('pipe')
    for (let left = 3 + this.#dice.below(15); left > 0 && !this.#stream.destroyed; left -= 1) {
      await this.#gap(this.#dice.below(6))
      if (!this.#stream.destroyed) this.#act(this.#dice.of(names))
    }
  }

  /** Continues it to its end from any state. */
  async end(): Promise<void> {
    const stream = this.#stream
    const closed = stream.closed ? Promise.resolve() : once(stream, 'close')
    this.#readNoMore()
    for (const sink of this.#sinks) {
      this.#cork(sink, false)
      sink.peer.resume()
    }
    if (!this.#isTaken()) this.#pipe(this.#sinks[0])
    await new Promise(setImmediate) // a removed 'readable' listener is noticed in the next tick
    stream.resume()
    await closed
    for (const { destination } of this.#sinks) destination.end()
    await Promise.all(this.#sinks.map(({ closed: end }) => end))
  }

  #act(name: string): void {
    this.story.push(name)
    this.#actions[name]?.()
  }

  async #gap(kind: number): Promise<void> {
    this.story.push(`.${kind}`)
    if (kind === 1) await undefined
    if (kind === 2) await new Promise<void>((resolve) => process.nextTick(resolve))
    if (kind === 3) await new Promise((resolve) => setTimeout(resolve, this.#dice.below(4)))
    if (kind > 3) for (let left = this.#dice.below(kind * 2); left > 0; left -= 1) await new Promise(setImmediate)
  }

  /** A flowing stream without a consumer discards its bytes. */
  #isTaken(): boolean {
    return this.#listeners.length > 0 || this.#sinks.some(({ isPiped }) => isPiped)
  }

  #pipe(sink: Sink | undefined): void {
    if (sink === undefined) return
    sink.isPiped = true
    this.#stream.pipe(sink.destination, { end: false })
  }

  #unpipe(sink: Sink): void {
    if (sink.isPiped) this.#stream.unpipe(sink.destination)
    sink.isPiped = false
  }

  #listen(): void {
    const chunks: Buffer[] = []
    const listener = (chunk: Buffer | string): void => void chunks.push(Buffer.from(chunk))
    this.listened.push(chunks)
    this.#listeners.push(listener)
    this.#stream.on('data', listener)
  }

  #unlisten(): void {
    const listener = this.#listeners.pop()
    if (listener === undefined) return
    if (!this.#isTaken()) this.#stream.pause()
    this.#stream.off('data', listener)
  }

  #readByEvents(): void {
    if (this.#onReadable !== undefined) return
    this.#onReadable = () => {
      while (this.#read()) {
        // on with it
      }
    }
    this.#stream.on('readable', this.#onReadable)
  }

  #readNoMore(): void {
    if (this.#onReadable === undefined) return
    this.#stream.off('readable', this.#onReadable)
    this.#onReadable = undefined
    if (!this.#isTaken()) this.#stream.pause()
  }

  #read(size?: number): boolean {
    const chunk: Buffer | null = this.#stream.read(size)
    if (chunk !== null) this.readByHand.push(chunk)
    return chunk !== null
  }

  #cork(sink: Sink, wanted: boolean): void {
    if (sink.isCorked === wanted) return
    sink.isCorked = wanted
    if (wanted) sink.destination.cork()
    else sink.destination.uncork()
  }
}

function optionsFor(
  dice: Dice,
  size: number,
): { start?: number; end?: number; highWaterMark?: number; segment?: number } {
  const start = dice.chance(30) ? dice.below(size + 2) : 0
  return {
    start,
    ...(dice.chance(30) ? { end: start + dice.below(size + 2) } : {}),
    ...(dice.chance(30) ? { highWaterMark: dice.of([1000, 65_536, 300_000]) } : {}),
    ...(dice.chance(40) ? { segment: dice.of([4096, 100_000, 1 << 20]) } : {}),
  }
}

async function play(t: ExecutionContext, make: typeof fs.createReadStream, seed: number): Promise<void> {
  const dice = new Dice(seed)
  const size = dice.of(SIZES)
  const options = optionsFor(dice, size)
  const sinks = await Promise.all(Array.from({ length: 1 + dice.below(3) }, () => dice.of(SINKS)(t)))
  const stream = make(paths.get(size) ?? '', options)
  const scene = new Scene(dice, stream, sinks)
  await scene.play()
  await within(
    scene.end(),
    `the end of ${JSON.stringify({ seed, size, options, story: scene.story.join(' ') })}`,
    20_000,
  )
  const takers = [...sinks.map(({ chunks }) => chunks), ...scene.listened, scene.readByHand]
  const { start = 0, end = size } = options
  const range = contents.subarray(0, size).subarray(start, end + 1)
  const pieces = takers.map((chunks) => piecesOf(range, Buffer.concat(chunks)))
  t.deepEqual(
    { misplaced: pieces.flatMap((one) => misplaced(one) ?? []), missing: missing(pieces.flat(), range.length) },
    { misplaced: [], missing: undefined },
    JSON.stringify({ seed, size, options, story: scene.story.join(' ') }),
  )
  t.is(stream.bytesRead, range.length)
}

for (let seed = FIRST; seed <= LAST; seed += 1) {
  for (const [name, make] of [
    ['Node', fs.createReadStream],
    ['ours', createReadStream],
  ] as const) {
    test(`seed ${seed}: every byte is delivered once and in order: ${name}`, async (t) => {
      t.timeout(60_000)
      await play(t, make, seed)
    })
  }
}
