// The minimal destination: an object with `write`, `end` and `on`, which is not an EventEmitter and has no `off`.
import test from 'ava'

import { type Destination, sendfile, SendfileError } from '../../index.ts'
import { countDescriptors, descriptorsSettleAt, restingDescriptors } from '../fixtures/descriptors.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { warmEngine } from '../fixtures/warm-engine.ts'
import { within } from '../fixtures/within.ts'

const file = sampleFile(1_000_003)

type Listener = (...args: never[]) => void

class Plain implements Destination {
  readonly chunks: Buffer[] = []
  readonly listeners: [string, Listener][] = []
  /** Whether 'drain' follows a write. */
  #drains: boolean

  constructor(drains: boolean) {
    this.#drains = drains
  }

  write(chunk: Buffer): boolean {
    this.chunks.push(chunk)
    if (this.#drains) setImmediate(() => this.emit('drain'))
    return false
  }

  end(): void {}

  on(event: string, listener: Listener): this {
    this.listeners.push([event, listener])
    return this
  }

  /** Listeners are called without `this`. */
  emit(event: string, ...args: unknown[]): void {
    for (const [name, listener] of this.listeners) if (name === event) Reflect.apply(listener, undefined, args)
  }
}

test.before(async () => {
  await warmEngine()
  await restingDescriptors()
})

for (const [event, message] of [
  ['close', 'The destination was closed before the last byte was sent'],
  ['error', 'it is full'],
] as const) {
  test.serial(`'${event}' rejects the transfer`, async (t) => {
    const before = countDescriptors()
    const plain = new Plain(false)
    const sent = sendfile(plain, file.path)
    setImmediate(() => plain.emit(event, event === 'error' ? new Error(message) : undefined))
    const error = await t.throwsAsync(within(sent, 'the rejection'), { instanceOf: SendfileError, message })
    t.is(Reflect.get(error, 'code'), 'ERR_SENDFILE_DESTINATION')
    t.is(await descriptorsSettleAt(before), before)
  })
}

test.serial("'close' rejects both the running transfer and the one queued behind it", async (t) => {
  const plain = new Plain(false)
  const both = [sendfile(plain, file.path), sendfile(plain, file.path)]
  setImmediate(() => plain.emit('close'))
  for (const sent of both)
    await t.throwsAsync(within(sent, 'the rejection'), { instanceOf: SendfileError, code: 'ERR_SENDFILE_DESTINATION' })
})

test.serial('an object without `off` gets each listener once, for any number of transfers', async (t) => {
  const plain = new Plain(true)
  for (let turn = 0; turn < 12; turn += 1) await within(sendfile(plain, file.path), 'a transfer')
  t.deepEqual(plain.listeners.map(([event]) => event).toSorted(), ['close', 'drain', 'error'])
  t.is(sha256(...plain.chunks), sha256(...Array.from({ length: 12 }, () => file.bytes)))
})

test.serial('an `on` that throws rejects the transfer', async (t) => {
  const plain = new Plain(true)
  const thrown = new RangeError('no listeners here')
  plain.on = () => {
    throw thrown
  }
  t.is(await t.throwsAsync(within(sendfile(plain, file.path), 'the rejection')), thrown)
})
