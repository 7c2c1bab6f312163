/** Which bytes of an open source a transfer sends, and whether the kernel can read them. */
import type { OpenFile, Range } from '../executor/range.ts'
import { opensSources } from '../file/native-file.ts'
import { descriptorStatus } from '../node/fs.ts'
import { invalidValue } from '../errors/node-error.ts'
import { OBSTACLE, type Obstacle } from '../errors/obstacle.ts'
import { type Bytes, remaining } from '../options/validate.ts'
import type { Request } from '../options/sendfile.ts'

/**
 * The range of the source that was requested.
 * @throws {TypeError} ERR_INVALID_ARG_VALUE for an offset in a source without offsets, or no count for one without an end
 */
export function rangeOf(file: OpenFile, { offset, count }: Request): Range {
  if (file.read !== undefined) {
    const reason = 'must be 0 or null for a pipe or terminal, which is read from where it stands'
    if (offset !== null && offset !== 0) throw invalidValue('options.offset', offset, reason)
    return { file, offset: 0, ownPosition: false, count }
  }
  if (count === undefined && file.size === undefined && file.identity === undefined) {
    throw invalidValue('options.count', count, 'is required for a device, which has no end')
  }
  const ownPosition = offset === null
  const start = ownPosition ? positionOf(file) : offset
  const remainder = file.size === undefined || start === undefined ? undefined : remaining(file.size, start)
  return { file, offset: start ?? 0, ownPosition, positionUnknown: start === undefined, count: count ?? remainder }
}

/** The file position; `undefined` if it is unknown, and for devices, whose bytes cannot be read twice to move it. */
function positionOf({ native, fd, identity }: OpenFile): Bytes | undefined {
  if (native !== undefined) return native.position
  return identity === undefined ? undefined : descriptorStatus(fd)?.position
}

/** Why the kernel cannot read the file, `undefined` if it can. */
export function fileObstacle(file: OpenFile): Obstacle | undefined {
  if (file.native !== undefined) return undefined
  if (file.read !== undefined) return OBSTACLE.unsized
  return opensSources ? OBSTACLE.virtual : OBSTACLE.noAddon
}
