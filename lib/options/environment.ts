/** The environment variables: SENDFILE64 chooses the method for programs that do not, NODE_DEBUG=sendfile64 prints decisions. */
import { debuglog } from 'node:util'

import { OBSTACLE, type Obstacle } from '../errors/obstacle.ts'
import { type Method, METHOD_NAMES } from './sendfile.ts'

/** Prints decisions under NODE_DEBUG=sendfile64. */
export const debug = debuglog('sendfile64')

const { SENDFILE64: word = '' } = process.env

/** The method that SENDFILE64 names, to be tried first. */
export const preferred: Method | undefined = METHOD_NAMES.find((method) => method === word)

/** Set if SENDFILE64=off forbids the system calls of this package. */
export const switchedOff: Obstacle | undefined = word === 'off' ? OBSTACLE.switchedOff : undefined

if (!['', 'auto', 'off', ...METHOD_NAMES].includes(word)) {
  const known = METHOD_NAMES.join(', ')
  process.emitWarning(`Unknown value SENDFILE64='${word}'. Expected off, auto, ${known}`, { code: 'SENDFILE64' })
}

/** The default of the stream option `closeWithDestination`. */
export const closesAbandoned = process.env.SENDFILE64_CLOSE_ABANDONED === '1'
