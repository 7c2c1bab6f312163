/**
 * Delays the calls of a destination's methods while a transfer must come first: while a file is being opened, or while the
 * portable executor writes chunks. Own properties shadow the methods during that time and are removed afterwards; a wrapper
 * that was put around them in the meantime keeps working.
 */
import { AsyncResource } from 'node:async_hooks'

import { headersSent } from '../errors/node-error.ts'
import { PROTOCOL } from '../node/marker.ts'

/** The methods that a destination must have. */
export interface Destination {
  /** Accepts a chunk. Returns `false` if the caller must wait for 'drain'. */
  write(chunk: Uint8Array, ...rest: never[]): unknown
  /** Called after the last byte with the option `end`. */
  end(...args: never[]): unknown
  /** Adds a listener for 'drain', 'error' or 'close'. */
  on(event: string, listener: (...args: never[]) => void): unknown
}

type Operation = () => void | Promise<void>

const HELD = ['write', 'end', 'writeHead', 'flushHeaders'] as const

/** The interface of a hold for other copies of the package. */
interface Queue {
  queue(operation: Operation): void
  original(name: string): Function | undefined
  shadow(name: string): Function | undefined
  pass<T>(action: () => T): T
}

/** The holds of a process. Nearly always there are none, and then nothing is looked up. */
class Holds {
  readonly #queues = new WeakMap<object, Queue>()
  #active = 0

  get(destination: object): Queue | undefined {
    return this.#active === 0 ? undefined : this.#queues.get(destination)
  }

  add(destination: object, queue: Queue): void {
    this.#active += 1
    this.#queues.set(destination, queue)
  }

  remove(destination: object, queue: Queue): void {
    this.#active -= 1
    if (this.#queues.get(destination) === queue) this.#queues.delete(destination)
  }
}

/** All copies of the package in a process share them, so that their transfers are queued. */
const holds = sharedHolds()

function sharedHolds(): Holds {
  const key = Symbol.for(`sendfile64.holds.${PROTOCOL}`)
  const { [key]: existing } = globalThis as { [key]?: Holds }
  if (existing !== undefined) return existing
  const created = new Holds()
  Object.defineProperty(globalThis, key, { value: created })
  return created
}

/**
 * Runs `operation` on the destination after all earlier operations. If it returns a promise, calls of the destination's
 * methods wait until the promise has settled.
 */
export function inOrder(destination: object, operation: Operation): void {
  const hold = holds.get(destination)
  if (hold !== undefined) return hold.queue(operation)
  const done = operation()
  if (done !== undefined) new Hold(destination).begin(done)
}

/** Runs `action` without delaying the calls that it makes: http calls its own public methods inside `write` and `end`. */
export function bypassHold<T>(destination: object, action: () => T): T {
  const hold = holds.get(destination)
  return hold === undefined ? action() : hold.pass(action)
}

/** A method of the destination without the hold. */
export function originalMethod(destination: object, name: string): unknown {
  return holds.get(destination)?.original(name) ?? Reflect.get(destination, name)
}

/** A method of the destination as other code sees it: without the hold, unless a function was placed above the hold. */
export function visibleMethod(destination: object, name: string): unknown {
  const hold = holds.get(destination)
  const method: unknown = Reflect.get(destination, name)
  return hold !== undefined && hold.shadow(name) === method ? hold.original(name) : method
}

/** Calls a method of the destination without the hold. */
export function callOriginal(destination: object, name: string, ...args: unknown[]): unknown {
  const method = originalMethod(destination, name)
  return typeof method === 'function'
    ? bypassHold(destination, () => Reflect.apply(method, destination, args))
    : undefined
}

/** Whether the methods of the destination are shadowed. */
export function isHeld(destination: object): boolean {
  return holds.get(destination) !== undefined
}

class Hold implements Queue {
  readonly #destination: object
  readonly #originals = new Map<string, { method: Function; own: PropertyDescriptor | undefined; shadow: Function }>()
  readonly #waiting: Operation[] = []
  #active = true
  #owesDrain = false
  #passing = 0

  constructor(destination: object) {
    this.#destination = destination
    holds.add(destination, this)
    for (const name of HELD) {
      const method: unknown = Reflect.get(destination, name)
      if (typeof method === 'function') this.#shadow(name, method)
    }
  }

  begin(done: Promise<void>): void {
    const next = (): void => this.#next()
    done.then(next, next)
  }

  queue(operation: Operation): void {
    this.#waiting.push(operation)
  }

  pass<T>(action: () => T): T {
    this.#passing += 1
    try {
      return action()
    } finally {
      this.#passing -= 1
    }
  }

  original(name: string): Function | undefined {
    return this.#originals.get(name)?.method
  }

  shadow(name: string): Function | undefined {
    return this.#originals.get(name)?.shadow
  }

  #shadow(name: string, method: Function): void {
    const own = Object.getOwnPropertyDescriptor(this.#destination, name)
    const shadow = (...args: unknown[]): unknown => {
      if (!this.#active || this.#passing > 0) return Reflect.apply(method, this.#destination, args)
      if (name === 'writeHead') throw headersSent()
      const replay = AsyncResource.bind(() => {
        const accepted: unknown = this.pass(() => Reflect.apply(method, this.#destination, args))
        if (name === 'write' && accepted === false) this.#owesDrain = false // the stream emits 'drain' itself
      })
      this.queue(replay)
      if (name !== 'write') return this.#destination
      this.#owesDrain = true
      return false
    }
    this.#originals.set(name, { method, own, shadow })
    Object.defineProperty(this.#destination, name, { configurable: true, writable: true, value: shadow })
  }

  /** Runs the waiting operations until one of them returns a promise. */
  #next(): void {
    for (let operation = this.#waiting.shift(); operation !== undefined; operation = this.#waiting.shift()) {
      const done = attempt(operation)
      if (done !== undefined) return this.begin(done)
    }
    this.#release()
  }

  #release(): void {
    this.#active = false
    holds.remove(this.#destination, this)
    for (const [name, { own, shadow }] of this.#originals) {
      if (Reflect.get(this.#destination, name) !== shadow) continue // it has been wrapped in the meantime
      if (own === undefined) Reflect.deleteProperty(this.#destination, name)
      else Object.defineProperty(this.#destination, name, own)
    }
    if (this.#owesDrain) this.#drain()
  }

  /** Emits 'drain' for delayed calls of `write`, which returned false, unless the stream will emit it itself. */
  #drain(): void {
    const emit: unknown = Reflect.get(this.#destination, 'emit')
    const needsDrain: unknown = Reflect.get(this.#destination, 'writableNeedDrain')
    if (typeof emit === 'function' && needsDrain !== true) {
      process.nextTick(() => Reflect.apply(emit, this.#destination, ['drain']))
    }
  }
}

/** An exception of a replayed call has no caller to receive it, and becomes an uncaught exception. */
function attempt(operation: Operation): void | Promise<void> {
  try {
    return operation()
  } catch (error) {
    process.nextTick(() => {
      throw error
    })
    return undefined
  }
}
