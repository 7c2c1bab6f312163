/** A hooked socket, and the operations that a segment may perform on it during its turn. */
import type net from 'node:net'

import type { Obstacle } from '../errors/obstacle.ts'
import { type Hook, KEY, type SegmentSocket, type WriteCallback } from '../node/marker.ts'
import { guardSocket, handleFd, handleName, type PrivateSocket, queued, unguardSocket } from '../node/handle.ts'

/** A hook, with the state that only the copy of the package that created it uses. */
export interface OwnHook extends Hook {
  /** The own methods that the socket had before. If there is none, the method of its prototype is called. */
  inner: Partial<Inner> | undefined
  readonly obstacleTo: ObstacleTo
  /** The last callback of the Writable, and the function that was passed on in its place. */
  callback: WriteCallback | undefined
  checked: WriteCallback | undefined
  /** The state of the Writable, while `_writableState` is an accessor: see lib/hooks/shield.ts. */
  watched: WritableState | undefined
}

export type Inner = Pick<PrivateSocket, '_write' | '_writev' | '_destroy' | 'uncork'>

/** The state of the Writable that concerns its queue. */
export interface WritableState {
  /** Whether a chunk is being written. */
  readonly writing?: boolean
  readonly buffered?: readonly ({ readonly chunk: unknown } | null)[]
}

export interface HookedSocket extends PrivateSocket {
  /** The request of a client, with its response. */
  readonly _httpMessage?: { readonly res?: { readonly complete: boolean } | null } | null
  readonly _writableState: WritableState
  [KEY]: OwnHook
}

/** Why the kernel cannot send to a socket, `undefined` if it can. */
export type ObstacleTo = (socket: net.Socket) => Obstacle | undefined

/** The method below a hook of the socket. It is looked up at each call: a later replacement on the prototype must see the bytes. */
export function below<Name extends keyof Inner>(socket: HookedSocket, name: Name): Inner[Name] {
  return socket[KEY].inner?.[name] ?? (Object.getPrototypeOf(socket) as PrivateSocket)[name]
}

/** The number of turns of the event loop without a byte after which a socket has no more bytes to read. */
const QUIET_TURNS = 2

function afterReading(socket: HookedSocket, action: () => void, bytesRead = socket.bytesRead, quiet = 0): void {
  const isOver = socket.destroyed || socket.readableEnded || quiet === QUIET_TURNS
  if (isOver) return action()
  const next = socket.bytesRead === bytesRead ? quiet + 1 : 0
  setImmediate(afterReading, socket, action, socket.bytesRead, next)
}

/** Whether a socket has received the whole response to its request. */
function isAnswered({ _httpMessage: message }: HookedSocket): boolean {
  return message?.res?.complete === true
}

export class HookedSegmentSocket implements SegmentSocket {
  readonly #socket: HookedSocket
  readonly hook: Hook

  constructor(socket: HookedSocket) {
    this.#socket = socket
    this.hook = socket[KEY]
  }

  get fd(): number {
    return handleFd(this.#socket)
  }

  get isTcp(): boolean {
    return handleName(this.#socket) === 'TCP'
  }

  get queued(): number {
    return queued(this.#socket)
  }

  get idleTimeout(): number {
    return this.#socket.timeout ?? 0
  }

  destroy(): void {
    this.#socket.destroy()
  }

  afterReading(action: (isAnswered: boolean) => void): void {
    const socket = this.#socket
    afterReading(socket, () => action(isAnswered(socket)))
  }

  refreshIdleTimer(): void {
    this.#socket._unrefTimer()
  }

  guard(): void {
    guardSocket(this.#socket)
  }

  unguard(): void {
    unguardSocket(this.#socket)
  }
}
