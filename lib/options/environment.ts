/** What the environment says: SENDFILE64 chooses for programs that do not, NODE_DEBUG=sendfile64 shows what is decided. */
import { debuglog } from 'node:util'

import { unsupported } from '../errors/sendfile-error.ts'
import { OBSTACLE, type Obstacle } from '../errors/obstacle.ts'
import { METHODS, ONLY, PREFER } from '../native/codes.ts'
import type { Method, Request } from './sendfile.ts'

/** Prints decisions under NODE_DEBUG=sendfile64. */
export const debug = debuglog('sendfile64')

const { SENDFILE64: word = '' } = process.env
const preferred: Method | undefined = METHODS.find((method) => method === word)

/** Why no system call of ours may be made, `undefined` if they may. */
export const switchedOff: Obstacle | undefined = word === 'off' ? OBSTACLE.switchedOff : undefined

if (!['', 'auto', 'off', ...METHODS].includes(word)) {
  const known = METHODS.join(', ')
  process.emitWarning(`SENDFILE64='${word}' is not known: expected off, auto, ${known}`, { code: 'SENDFILE64' })
}

/** Whether streams close their files with the only destination, also where nobody has asked for it. */
export const closesAbandoned = process.env.SENDFILE64_CLOSE_ABANDONED === '1'

/** The conformance suite has passed on Linux only. */
const COPIES_BY_DEFAULT = process.platform !== 'linux'

/** Which methods the engine is to use, and why not the best one, if it is not. */
export interface Choice {
  /** A value of `ONLY` or `PREFER`. */
  readonly methods: number
  readonly obstacle: Obstacle | undefined
}

/**
 * The methods for a transfer. `remote` says why the kernel may not read the file by itself; who forces a method has
 * thought of that.
 */
export function choose(method: 'auto' | Method, remote: Obstacle | undefined): Choice {
  if (method !== 'auto') return { methods: ONLY[method], obstacle: undefined }
  const obstacle = remote ?? (COPIES_BY_DEFAULT ? OBSTACLE.unproven : undefined)
  if (obstacle !== undefined) return { methods: ONLY.copy, obstacle }
  return { methods: preferred === undefined ? ONLY.auto : PREFER[preferred], obstacle: undefined }
}

/**
 * Copying in JavaScript is no answer to who asks for a system call, or for what only the kernel knows.
 * @throws {SendfileError} ERR_SENDFILE_UNSUPPORTED
 */
export function mustNotBeForced({ method, until }: Request, { reason }: Obstacle): void {
  if (method !== 'auto' && method !== 'copy') throw unsupported(`${method}(2) is not possible: ${reason}`)
  if (until === 'acknowledged') throw unsupported(`Nobody can tell what the peer has acknowledged: ${reason}`)
}
