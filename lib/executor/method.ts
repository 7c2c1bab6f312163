/** Which methods the engine may use for a transfer, and which transfers must not be copied. */
import { OBSTACLE, type Obstacle } from '../errors/obstacle.ts'
import { unsupported } from '../errors/sendfile-error.ts'
import { ONLY, PREFER } from '../native/codes.ts'
import { preferred } from '../options/environment.ts'
import type { Method, Request } from '../options/sendfile.ts'

/** The conformance suite passes on Linux only; elsewhere sendfile(2) is opt-in. */
const COPIES_BY_DEFAULT = process.platform !== 'linux'

/** The methods that the engine may use, and the reason if the best one is excluded. */
export interface Choice {
  /** A value of `ONLY` or `PREFER`. */
  readonly methods: number
  readonly obstacle: Obstacle | undefined
}

/**
 * The methods for a transfer. `remote` is the reason why the kernel must not read the file by itself; a forced method
 * overrides it.
 */
export function choose(method: 'auto' | Method, remote: Obstacle | undefined): Choice {
  if (method !== 'auto') return { methods: ONLY[method], obstacle: undefined }
  const obstacle = remote ?? (COPIES_BY_DEFAULT ? OBSTACLE.unproven : undefined)
  if (obstacle !== undefined) return { methods: ONLY.copy, obstacle }
  return { methods: preferred === undefined ? ONLY.auto : PREFER[preferred], obstacle: undefined }
}

/**
 * Copying in JavaScript cannot satisfy a forced system call, nor `until: 'acknowledged'`, which only the kernel knows.
 * @throws {SendfileError} ERR_SENDFILE_UNSUPPORTED
 */
export function rejectIfForced({ method, until }: Request, { reason }: Obstacle): void {
  if (method !== 'auto' && method !== 'copy')
    throw unsupported(`${method}(2) cannot be used: ${reason}. Use method: 'auto' to copy instead`)
  if (until === 'acknowledged')
    throw unsupported(`until: 'acknowledged' is not supported here: ${reason}. Use until: 'queued'`)
}
