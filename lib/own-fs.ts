/** Whether functions of `fs` are Node's own: others have their reasons (mock file systems, packed apps, tracers). */
import fs from 'node:fs'

type Name = 'open' | 'openSync' | 'read' | 'close'

/** One function, as `fs` has it now. */
class Watched {
  readonly #name: Name
  readonly #call: string
  #last: unknown
  #isOwn = false

  /** `call`: what stands in the source of Node's function, and in no other that only wraps it. */
  constructor(name: Name, call: string) {
    this.#name = name
    this.#call = call
  }

  get isOwn(): boolean {
    const found = fs[this.#name]
    if (found !== this.#last) {
      this.#last = found
      this.#isOwn = Function.prototype.toString.call(found).includes(this.#call)
    }
    return this.#isOwn
  }
}

const open = new Watched('open', 'binding.open(')
const openSync = new Watched('openSync', 'binding.open(')
const read = new Watched('read', 'binding.read(')
const close = new Watched('close', 'binding.close(')

/** What is opened is what the path names for the kernel. */
export function opensOwn(): boolean {
  return open.isOwn && openSync.isOwn
}

/** What is read is what the kernel would send. */
export function readsOwn(): boolean {
  return read.isOwn
}

/** Nobody waits for a descriptor to be closed (graceful-fs does, once there are too many). */
export function closesOwn(): boolean {
  return close.isOwn
}
