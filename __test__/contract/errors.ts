// Promises for transfers that fail.
import { SendfileError, type SendfileOptions } from '../../index.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { within } from '../fixtures/within.ts'
import { untried } from './paths.ts'
import { range } from './ranges.ts'
import { arrived, type Check, file, HEAD, put, send, SIZE, TAIL } from './scene.ts'

const NOTHING = Buffer.alloc(0)

export const truncations: Record<string, Check> = {
  'reports a file that ends before count': truncation({ count: SIZE + 10 }, file.bytes, SIZE),
  'does not end the destination if the file ends before count': truncation(
    { count: SIZE + 10, end: true },
    file.bytes,
    SIZE,
  ),
  'reports a range that ends beyond the file': truncation(
    { offset: SIZE - 1000, count: 1001, end: true },
    file.bytes.subarray(SIZE - 1000),
    SIZE,
  ),
  'reports a range that begins beyond the file': truncation({ offset: SIZE + 7, count: 1 }, NOTHING, SIZE + 7),
  'reports truncation with bigint figures': truncation({ count: 2n ** 62n, bigint: true }, file.bytes, SIZE),
}

/** Every existing byte arrives; then the error has the exact count. */
function truncation(range: SendfileOptions, bytes: Uint8Array, offset: number): Check {
  return async ({ t, kind, path, connect, options }) => {
    // Before the first byte, http knows no length: later writes can still be the whole body.
    const length = !path.inKernel && bytes.length === 0 ? TAIL.length : Number(range.count)
    const { destination, target, received, isEnded } = await connect({ length })
    const sending = send(destination, file.path, { ...range, ...options })
    const error = await t.throwsAsync(within(sending, 'the transfer'), { instanceOf: SendfileError })
    t.like(error, { code: 'ERR_SENDFILE_TRUNCATED', path: file.path, errno: undefined, syscall: undefined })
    const figures = [bytes.length, offset].map((figure) => (range.bigint === true ? BigInt(figure) : figure))
    t.deepEqual([error?.bytesSent, error?.offset], figures)
    t.false(isEnded(), '`end` is for success alone')
    const announced = kind.isMessage === true && Reflect.get(target, 'headersSent') === true
    if (kind.isMessage === true && path.inKernel) t.true(announced, 'http has announced the bytes')
    if (announced) {
      // The announced length can no longer be met; without one, the body can still be replaced.
      const collected = await within(received(), 'the end of the connection')
      t.false(collected.ended, 'the other end can tell that bytes are missing')
      t.is(sha256(collected.bytes), sha256(bytes))
    } else {
      await put(target, TAIL)
      target.end()
      arrived(t, await within(received(), 'the end'), bytes, TAIL)
    }
  }
}

export const refusals: Record<string, Check> = {
  'is refused before any byte is sent': refusal({}),
  'is refused for a range': refusal({ offset: 5, count: 10 }),
  async 'is refused for an empty range'(scene) {
    // The kernel is not asked, so it cannot refuse.
    if (untried(scene.kind, scene.options.method).possible) return range({ count: 0 }, 0, 0)(scene)
    return refusal({ count: 0 })(scene)
  },
}

function refusal(range: SendfileOptions): Check {
  return async ({ t, kind, path, connect, options }) => {
    // The kernel is asked after http has announced the bytes.
    const isAnnounced = kind.isMessage === true && path.inKernel
    const follows = isAnnounced ? Number(range.count ?? file.bytes.length) : TAIL.length
    const { destination, target, received, isEnded } = await connect({ length: HEAD.length + follows })
    await put(target, HEAD)
    const sending = send(destination, file.path, { ...range, ...options, end: true })
    const error = await t.throwsAsync(within(sending, 'the transfer'), { instanceOf: SendfileError })
    t.like(error, { code: 'ERR_SENDFILE_UNSUPPORTED', bytesSent: 0, offset: Number(range.offset ?? 0) })
    const cause = path.possible ? undefined : path.cause
    t.is(cause === undefined ? error?.cause : Reflect.get(Object(error?.cause), 'code'), cause)
    t.false(isEnded())
    if (isAnnounced) {
      const collected = await within(received(), 'the end of the connection')
      t.is(sha256(collected.bytes), sha256(HEAD))
      t.false(collected.ended)
    } else {
      await put(target, TAIL)
      target.end()
      arrived(t, await within(received(), 'the end'), HEAD, TAIL)
    }
  }
}
