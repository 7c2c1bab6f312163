/**
 * Why a better method is not used: every code and every sentence of `fallbacks`. docs/design/fallback.md has the same
 * table; a test compares them.
 */
import { constants } from 'node:os'

import { errnoName } from './sendfile-error.ts'

/** An entry of `fallbacks` without its two methods. */
export interface Obstacle {
  readonly code: 'TLS' | 'HTTP2' | 'WRAPPED' | 'FILESYSTEM' | 'FOREIGN' | 'PLATFORM' | 'SMALL' | ShortageCode
  readonly reason: string
}

type ShortageCode = 'EMFILE' | 'ENFILE' | 'EAGAIN' | 'ENOMEM'

/**
 * An obstacle that may pass by itself. A transfer by the kernel needs a descriptor of its own of either end, and a
 * thread; a process without any can still read and write.
 */
export interface Shortage extends Obstacle {
  /** The kernel's answer, positive. */
  readonly errno: number
}

const { EAGAIN, EMFILE, ENFILE, ENOMEM } = constants.errno

/** The obstacles whose sentence is always the same. */
export const OBSTACLE = {
  tls: { code: 'TLS', reason: 'the bytes must be encrypted, and the kernel does not have the keys' },
  http2: { code: 'HTTP2', reason: 'HTTP/2 frames the bytes in Node' },
  remote: {
    code: 'FILESYSTEM',
    reason:
      'the file is on a network or FUSE filesystem, whose pages the kernel may serve although they have been replaced',
  },
  virtual: { code: 'FILESYSTEM', reason: 'the file exists only inside this process' },
  unsized: { code: 'FILESYSTEM', reason: 'the size of the source is only known at its end' },
  irregular: { code: 'FILESYSTEM', reason: 'the descriptor does not refer to a regular file' },
  ownFs: { code: 'FILESYSTEM', reason: 'the stream reads by an fs of its own, or fs.read is replaced' },
  noConnection: { code: 'FOREIGN', reason: 'the message has no connection' },
  shared: { code: 'FOREIGN', reason: 'the stream has other consumers besides this pipe' },
  readBefore: { code: 'FOREIGN', reason: 'the stream had been read from before it was piped' },
  held: { code: 'FOREIGN', reason: 'another transfer to the destination is in progress' },
  noAddon: { code: 'PLATFORM', reason: 'the addon is not loaded, or not used in this runtime: see support()' },
  runtime: { code: 'PLATFORM', reason: 'this runtime is not Node.js, or one that is not known yet' },
  noDescriptor: { code: 'PLATFORM', reason: 'the socket has no descriptor' },
  switchedOff: { code: 'PLATFORM', reason: 'SENDFILE64=off' },
  unproven: { code: 'PLATFORM', reason: "sendfile(2) is opt-in on this platform: pass method: 'sendfile'" },
  small: { code: 'SMALL', reason: 'up to 64 KiB are read sooner than sent by the kernel' },
} as const satisfies Record<string, Obstacle>

/** The same for shortages, by their errno. */
const SHORTAGES: readonly Shortage[] = [
  { errno: EMFILE, code: 'EMFILE', reason: 'the process has no descriptor left for the transfer' },
  { errno: ENFILE, code: 'ENFILE', reason: 'the machine has no descriptor left for the transfer' },
  { errno: EAGAIN, code: 'EAGAIN', reason: 'no thread could be made for the transfer' },
  { errno: ENOMEM, code: 'ENOMEM', reason: 'the kernel has no memory left for the transfer' },
]

/** A method of the destination or of the stream is not Node's own, and may mean to see or to change the body. */
export function wrapped(method: string, of: 'destination' | 'stream' = 'destination'): Obstacle {
  return { code: 'WRAPPED', reason: `${method} of the ${of} has been replaced` }
}

/** The destination is a socket of Node's whose handle the addon does not know. */
export function foreignHandle(name: string): Obstacle {
  return { code: 'FOREIGN', reason: `the socket's handle is a ${name}` }
}

/** The destination is a stream of somebody else's making. */
export function foreignStream(name: string): Obstacle {
  if (name.includes('Http2')) return OBSTACLE.http2
  return { code: 'FOREIGN', reason: `the destination is not a socket of node:net but a ${name}` }
}

/**
 * What was lacking for a descriptor, a thread or the like that could not be had; `undefined` if nothing was. `errno` is
 * positive.
 */
export function shortageOf(errno: number): Shortage | undefined {
  return SHORTAGES.find((shortage) => shortage.errno === errno)
}

/** Whether an obstacle is a shortage. */
export function isShortage(obstacle: Obstacle): obstacle is Shortage {
  return 'errno' in obstacle
}

/** The kernel does not move this pair by `method`. `errno` is its answer, positive. */
export function refusal(method: string, errno: number): { readonly code: string; readonly reason: string } {
  const code = errnoName(-errno)
  return { code, reason: `the kernel refused ${method} for this pair with ${code}` }
}
