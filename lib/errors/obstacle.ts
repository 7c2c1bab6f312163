/**
 * The reasons why a better method is not used: every code and every sentence of `fallbacks`. A test compares them with the
 * table in docs/design/fallback.md.
 */
import { constants } from 'node:os'

import { errnoName } from './figures.ts'

/** An entry of `fallbacks` without its two methods. */
export interface Obstacle {
  readonly code: 'TLS' | 'HTTP2' | 'WRAPPED' | 'FILESYSTEM' | 'FOREIGN' | 'PLATFORM' | 'SMALL' | ShortageCode
  readonly reason: string
}

type ShortageCode = 'EMFILE' | 'ENFILE' | 'EAGAIN' | 'ENOMEM'

/**
 * A temporary obstacle. A transfer in the kernel needs a duplicate of both descriptors, and a thread; a process that can
 * get neither can still read and write.
 */
export interface Shortage extends Obstacle {
  /** The kernel's errno, positive. */
  readonly errno: number
}

const { EAGAIN, EMFILE, ENFILE, ENOMEM } = constants.errno

/** The obstacles with a fixed sentence. */
export const OBSTACLE = {
  tls: { code: 'TLS', reason: 'the bytes must be encrypted, and the kernel does not have the keys' },
  http2: { code: 'HTTP2', reason: 'HTTP/2 frames the bytes in Node' },
  remote: {
    code: 'FILESYSTEM',
    reason:
      'the file is on a network or FUSE filesystem, where the kernel may send cached pages that the server has replaced',
  },
  virtual: { code: 'FILESYSTEM', reason: 'the file exists only inside this process' },
  unsized: { code: 'FILESYSTEM', reason: 'the size of the source is not known in advance' },
  irregular: { code: 'FILESYSTEM', reason: 'the descriptor does not refer to a regular file' },
  ownFs: { code: 'FILESYSTEM', reason: 'the stream has an fs option, or fs.read has been replaced' },
  noConnection: { code: 'FOREIGN', reason: 'the HTTP message has no connection' },
  shared: { code: 'FOREIGN', reason: 'the stream has other consumers besides this pipe' },
  readBefore: { code: 'FOREIGN', reason: 'the stream was read from before it was piped' },
  held: { code: 'FOREIGN', reason: 'another transfer to the destination is in progress' },
  noAddon: {
    code: 'PLATFORM',
    reason: 'the addon is not loaded, or not used in this runtime; call support() for the reason',
  },
  runtime: { code: 'PLATFORM', reason: 'this runtime is not Node.js, or this version of Node.js is not supported yet' },
  noDescriptor: { code: 'PLATFORM', reason: 'the socket has no descriptor' },
  switchedOff: { code: 'PLATFORM', reason: 'the environment variable SENDFILE64=off disables the kernel path' },
  unproven: { code: 'PLATFORM', reason: "sendfile(2) is opt-in on this platform: pass method: 'sendfile'" },
  small: { code: 'SMALL', reason: 'up to 64 KiB, reading is faster than sending from the kernel' },
} as const satisfies Record<string, Obstacle>

/** Shortages (EMFILE, ENFILE, EAGAIN, ENOMEM), after which a transfer continues by copying. */
const SHORTAGES: readonly Shortage[] = [
  { errno: EMFILE, code: 'EMFILE', reason: 'the process has no descriptor left for the transfer' },
  { errno: ENFILE, code: 'ENFILE', reason: 'the machine has no descriptor left for the transfer' },
  { errno: EAGAIN, code: 'EAGAIN', reason: 'no thread could be created for the transfer' },
  { errno: ENOMEM, code: 'ENOMEM', reason: 'the kernel has no memory left for the transfer' },
]

/** A method of the destination or of the stream is not Node's own, and may observe or change the body. */
export function wrapped(method: string, of: 'destination' | 'stream' = 'destination'): Obstacle {
  return { code: 'WRAPPED', reason: `${method} of the ${of} has been replaced` }
}

/** The destination is a socket of Node whose handle the addon does not support. */
export function foreignHandle(name: string): Obstacle {
  return { code: 'FOREIGN', reason: `the socket's handle is a ${name}` }
}

/** The destination is a stream that is not a socket of Node. */
export function foreignStream(name: string): Obstacle {
  if (name.includes('Http2')) return OBSTACLE.http2
  return { code: 'FOREIGN', reason: `the destination is a ${name}, not a net.Socket` }
}

/** The shortage that an errno (positive) stands for; `undefined` if it is another error. */
export function shortageOf(errno: number): Shortage | undefined {
  return SHORTAGES.find((shortage) => shortage.errno === errno)
}

/** Whether an obstacle is a shortage. */
export function isShortage(obstacle: Obstacle): obstacle is Shortage {
  return 'errno' in obstacle
}

/** The kernel does not move this pair of descriptors by `method`. `errno` is its answer, positive. */
export function refusal(method: string, errno: number): { readonly code: string; readonly reason: string } {
  const code = errnoName(-errno)
  return { code, reason: `the kernel refused ${method} for this source and destination with ${code}` }
}
