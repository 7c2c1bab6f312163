// Bytes of JavaScript and of the kernel on one connection, thousands of times: none is lost, repeated or interleaved.
import { createCipheriv } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import test from 'ava'

import { sendfile, type SendfileResult } from '../../index.ts'
import { descriptorsSettleAt, restingDescriptors } from '../fixtures/descriptors.ts'
import { FALLBACK_CODES, IN_KERNEL, METHOD } from '../fixtures/executor.ts'
import type { HttpClient, RawResponse } from '../fixtures/http-client.ts'
import { sampleBytes, sampleFile } from '../fixtures/sample-file.ts'
import { serve } from '../fixtures/servers.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { warmEngine } from '../fixtures/warm-engine.ts'

const ROUNDS = 10_000
const MAX_COUNT = 300 * 1024
const PIPELINED = { connections: 4, depth: 8 }
const KEPT_ALIVE = { connections: 8, depth: 1 }

/** One response: head, range of the file, tail. */
interface Round {
  readonly number: number
  readonly head: Buffer
  readonly offset: number
  readonly count: number
  readonly tail: Buffer
  readonly chunked: boolean
}

const file = sampleFile(1 << 20)
const fillings = sampleBytes(64 * 1024, 7)

/** A round is determined by its number, so that both ends and a repeated run agree. */
function round(number: number): Round {
  const bits = createCipheriv('aes-128-ecb', Buffer.alloc(16, 3), null).update(Buffer.alloc(16, `round ${number}`))
  // Most are small, every size up to the largest occurs.
  const count = 1 + Math.floor((MAX_COUNT - 1) * (bits.readUInt32LE(0) / 2 ** 32) ** 3)
  const offset = bits.readUInt32LE(4) % (file.bytes.length - count)
  const [headFrom, tailFrom] = [bits.readUInt16LE(8) >> 1, bits.readUInt16LE(10) >> 1]
  const head = fillings.subarray(headFrom, headFrom + 1 + (bits.readUInt16LE(12) % 3000))
  const tail = fillings.subarray(tailFrom, tailFrom + 1 + (bits.readUInt16LE(14) % 3000))
  return { number, head, offset, count, tail, chunked: number % 2 === 0 }
}

/** The tail is written alternately in the same tick and after the transfer. */
async function answer(response: ServerResponse, { number, head, offset, count, tail, chunked }: Round) {
  if (!chunked) response.setHeader('Content-Length', head.length + count + tail.length)
  response.write(head)
  const sent = sendfile(response, file.path, { offset, count })
  if (number % 3 === 0) await sent
  response.end(tail)
  return sent
}

function wrongWith({ head, offset, count, tail, chunked }: Round, response: RawResponse): string | undefined {
  const expected = sha256(head, file.bytes.subarray(offset, offset + count), tail)
  if (response.status !== 200) return `status ${response.status}`
  if (response.framing !== (chunked ? 'chunked' : 'length')) return `framing ${response.framing}`
  if (sha256(response.body) !== expected) return `a body of ${response.body.length} other bytes`
  return undefined
}

function byOtherPath({ count }: Round, { bytesSent, method, fallbacks, syscalls }: SendfileResult): boolean {
  return (
    bytesSent !== count || method !== METHOD || fallbacks.length !== FALLBACK_CODES.length || syscalls > 0 !== IN_KERNEL
  )
}

/** Rounds `from`, `from + step`, … on one connection, `depth` requests in flight. */
async function requestRounds(client: HttpClient, numbers: readonly number[], depth: number): Promise<string[]> {
  const wrong: string[] = []
  for (let next = 0; next < numbers.length; next += depth) {
    const batch = numbers.slice(next, next + depth)
    const answers = client.pipeline(batch.map((number) => `/${number}`))
    for (const [index, number] of batch.entries()) {
      const problem = wrongWith(round(number), await answers[index]!)
      if (problem !== undefined) wrong.push(`round ${number}: ${problem}`)
    }
  }
  return wrong
}

for (const [name, { connections, depth }, first] of [
  ['kept alive', KEPT_ALIVE, 0],
  ['pipelined', PIPELINED, ROUNDS / 2],
] as const) {
  test.serial(`${ROUNDS / 2} rounds of write, sendfile and end on ${name} connections`, async (t) => {
    t.timeout(60_000)
    await warmEngine()
    const before = await restingDescriptors()
    const strayed: string[] = []
    let sent = 0
    const server = await serve(t, async (request, response) => {
      const asked = round(Number(request.url?.slice(1)))
      const result = await answer(response, asked)
      sent += 1
      if (byOtherPath(asked, result)) strayed.push(`round ${asked.number}: ${JSON.stringify(result)}`)
    })
    const wrong = await Promise.all(
      Array.from({ length: connections }, async (_, lane) => {
        const numbers = Array.from(
          { length: ROUNDS / 2 / connections },
          (_, index) => first + lane + index * connections,
        )
        return requestRounds(await server.connect(), numbers, depth)
      }),
    )
    await server.answered()
    t.deepEqual(wrong.flat().slice(0, 5), [])
    t.deepEqual(strayed.slice(0, 5), [])
    t.is(sent, ROUNDS / 2)
    await server.close()
    t.is(await descriptorsSettleAt(before), before)
  })
}
