// The plan of transfer number `index` of a seed, independent of earlier transfers.
import { Random } from './random.mjs'

/** Sizes of the files: around those of pages, quanta and the buffers of a connection. */
export const SIZES = [0, 1, 4095, 65_537, (1 << 20) + 7, (8 << 20) + 3]

const DESTINATIONS = ['tcp', 'unix', 'http length', 'http chunked', 'tls', 'fifo', 'file', '/dev/null']

/** How a transfer ends: `read` to the end, or at a byte by the named party. */
const ENDS = ['read', 'read', 'read', 'slow', 'signal', 'reset', 'destroy', 'stop']

/** The file, the range, the options and the events of the destination. */
export function planOf(seed, index) {
  const random = new Random(Math.imul(seed, 0x9e3779b1) + index)
  const destination = random.pick(DESTINATIONS)
  const file = random.between(0, SIZES.length - 1)
  const end = endOf(random, destination)
  const offset = random.chance(0.3) ? 0 : random.between(0, SIZES[file] + 10)
  const rest = Math.max(0, SIZES[file] - offset)
  const counted = random.chance(0.6)
  const beyond = counted && random.chance(0.1)
  return {
    index,
    destination,
    file,
    source: random.pick(['path', 'handle', 'descriptor', 'position']),
    end,
    at: random.between(0, Math.max(0, rest - 1)),
    beyond,
    options: {
      offset,
      ...(counted && { count: beyond ? rest + random.between(1, 1000) : random.between(0, rest) }),
      ...(random.chance(0.3) && { headers: random.size(1, 10_000) }),
      ...(random.chance(0.3) && { trailers: random.size(1, 10_000) }),
      ...(random.chance(0.2) && { rate: random.between(8 << 20, 64 << 20), burst: random.size(1, 1 << 20) }),
      ...(random.chance(0.5) && { quantum: random.size(4096, 4 << 20) }),
      ...(random.chance(0.3) && { progressInterval: random.between(1, 20) }),
      ...(random.chance(0.3) && { bigint: true }),
      ...(random.chance(0.5) && { end: true }),
      ...(end === 'stop' && { stallTimeout: 100 }),
      method: methodOf(random, destination),
      until: destination !== 'tls' && random.chance(0.2) ? 'acknowledged' : 'queued',
    },
  }
}

function endOf(random, destination) {
  const end = random.pick(ENDS)
  if (destination === 'file' || destination === '/dev/null') return end === 'signal' ? 'signal' : 'read'
  if (destination === 'fifo' && (end === 'destroy' || end === 'reset')) return 'read'
  return end
}

/** TLS is always copied. */
function methodOf(random, destination) {
  if (destination === 'tls') return random.pick(['auto', 'copy'])
  if (destination === 'file') return random.pick(['auto', 'sendfile', 'splice', 'copy_file_range', 'copy'])
  return random.pick(['auto', 'auto', 'sendfile', 'splice', 'copy'])
}
