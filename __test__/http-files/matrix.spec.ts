// What a client gets for each method, Range and kind of file: status, every header, and the SHA-256 of the body. The
// expected answers come from the table below and from a few lines of arithmetic, not from the code of lib/http/.
import test from 'ava'

import { serveStatic } from '../../http.ts'
import type { RawResponse } from '../fixtures/http-client.ts'
import { sampleBytes } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { allClosed, folderOf, ownHeaders, put, siteOf } from '../fixtures/site.ts'

const TIME = 1_600_000_000
const DATE = 'Sun, 13 Sep 2020 12:26:40 GMT'

/** Name, type, bytes. From 64 KiB on, the kernel moves them. */
const FILES: readonly (readonly [string, string, Buffer])[] = [
  ['empty.css', 'text/css; charset=utf-8', Buffer.alloc(0)],
  ['one.html', 'text/html; charset=utf-8', sampleBytes(1)],
  ['small.txt', 'text/plain; charset=utf-8', sampleBytes(100)],
  ['edge.json', 'application/json', sampleBytes(65_536)],
  ['large.mp4', 'video/mp4', sampleBytes(65_537)],
  ['huge', 'application/octet-stream', sampleBytes(300_000)],
]

type Part = readonly [first: number, last: number]
/** `undefined`: the whole file. `null`: 416. `n` is the size, above 0. */
type Expected = readonly Part[] | undefined | null

const upTo = (n: number, last: number): number => Math.min(last, n - 1)
const from = (n: number, first: number, last = n - 1): Expected => (first < n ? [[first, upTo(n, last)]] : null)

const RANGES: Readonly<Record<string, (n: number) => Expected>> = {
  'bytes=0-': (n) => [[0, n - 1]],
  'bytes=0-0': () => [[0, 0]],
  'bytes=0-1': (n) => [[0, upTo(n, 1)]],
  'bytes=-5': (n) => [[Math.max(0, n - 5), n - 1]],
  'bytes=-1': (n) => [[n - 1, n - 1]],
  'bytes=-0': () => null,
  'bytes=5-': (n) => from(n, 5),
  'bytes=10-999999': (n) => from(n, 10, 999_999),
  'bytes=0-99999999999999999999999': (n) => [[0, n - 1]],
  'bytes=99999999999999999999999-': () => null,
  'bytes=99-99': (n) => from(n, 99, 99),
  'bytes=100-100': (n) => from(n, 100, 100),
  'bytes=65536-': (n) => from(n, 65_536),
  'BYTES = 3 - 4': () => undefined,
  'Bytes=3-4': (n) => from(n, 3, 4),
  'bytes= 3-4 ': (n) => from(n, 3, 4),
  'bytes=4-3': () => undefined,
  'bytes=': () => undefined,
  'bytes=,': () => undefined,
  'bytes=-': () => undefined,
  'bytes=a-b': () => undefined,
  'bytes=1-2x': () => undefined,
  'bytes=0x1-2': () => undefined,
  'bytes=1e1-20': () => undefined,
  'bytes=9999999999999999-8888888888888888': () => undefined,
  'bytes=0000000000000000000-00000000000000000001': (n) => [[0, upTo(n, 1)]],
  'bytes=--5': () => undefined,
  'items=0-1': () => undefined,
  '0-1': () => undefined,
  'bytes=0-1,0-1': (n) => [[0, upTo(n, 1)]],
  'bytes=0-3,2-5': (n) => [[0, upTo(n, 5)]],
  'bytes=0-0,,-1': (n) =>
    n === 1
      ? [[0, 0]]
      : [
          [0, 0],
          [n - 1, n - 1],
        ],
  'bytes=1-3,6-8': (n) =>
    n < 2
      ? null
      : [
          [1, 3],
          [6, 8],
        ],
  'bytes=6-8,1-3': (n) =>
    n < 2
      ? null
      : [
          [6, 8],
          [1, 3],
        ],
  'bytes=1-3,999999-': (n) => from(n, 1, 3),
  'bytes=50-60,0-9,5-20': (n) =>
    n < 51
      ? [[0, upTo(n, 20)]]
      : [
          [50, 60],
          [0, 20],
        ],
  'bytes=0-70000,90000-100000': (n) =>
    n > 90_000
      ? [
          [0, 70_000],
          [90_000, 100_000],
        ]
      : [[0, upTo(n, 70_000)]],
}

const folder = folderOf({})
for (const [name, , bytes] of FILES) put(`${folder}/${name}`, bytes, TIME)

/** The headers that every answer with a file, or instead of one, has. */
function common(size: number): Record<string, string> {
  return {
    'accept-ranges': 'bytes',
    'cache-control': 'public, max-age=0',
    etag: `W/"${size.toString(16)}-${(BigInt(TIME) * 1_000_000_000n).toString(16)}"`,
    'last-modified': DATE,
  }
}

/** Status, headers and body; multipart bodies are looked at by {@link partsOf}. */
function expectation(
  method: string,
  range: Expected,
  [, type, bytes]: (typeof FILES)[number],
): readonly [number, Record<string, string>, string] {
  const size = bytes.length
  const shown = (body: Buffer): string => sha256(method === 'HEAD' ? Buffer.alloc(0) : body)
  if (range === null) {
    return [416, { 'content-range': `bytes */${size}`, 'content-length': '0' }, sha256()]
  }
  if (range === undefined) {
    return [200, { ...common(size), 'content-type': type, 'content-length': `${size}` }, shown(bytes)]
  }
  const [[first, last] = [0, 0]] = range
  const body = bytes.subarray(first, last + 1)
  const headers = { 'content-type': type, 'content-range': `bytes ${first}-${last}/${size}` }
  return [206, { ...common(size), ...headers, 'content-length': `${body.length}` }, shown(body)]
}

/** The parts of a multipart answer (RFC 2046 section 5.1.1): their headers and their bytes. */
function partsOf({ headers, body }: RawResponse): readonly (readonly [string, string])[] {
  const boundary = /^multipart\/byteranges; boundary=(\w+)$/.exec(headers.get('content-type') ?? '')?.[1] ?? ''
  const text = `\r\n${body.toString('latin1')}`
  const pieces = text.split(`\r\n--${boundary}`)
  if (pieces.shift() !== '' || pieces.pop() !== '--\r\n') throw new Error('not a multipart body')
  return pieces.map((piece) => {
    const end = piece.indexOf('\r\n\r\n')
    return [piece.slice(0, end), sha256(Buffer.from(piece.slice(end + 4), 'latin1'))]
  })
}

function expectedParts(range: readonly Part[], [, type, bytes]: (typeof FILES)[number]): object {
  return range.map(([first, last]) => [
    `\r\nContent-Type: ${type}\r\nContent-Range: bytes ${first}-${last}/${bytes.length}`,
    sha256(bytes.subarray(first, last + 1)),
  ])
}

let rows = 0

for (const file of FILES) {
  const [name, type, bytes] = file
  test.serial(`${name}, ${bytes.length} bytes: every Range, by GET`, async (t) => {
    const { ask } = await siteOf(t, serveStatic(folder))
    for (const [header, expect] of Object.entries(RANGES)) {
      const response = await ask(`/${name}`, { headers: { range: header } })
      const range = bytes.length === 0 ? undefined : expect(bytes.length)
      rows += 1
      if (range !== undefined && range !== null && range.length > 1) {
        t.deepEqual(partsOf(response), expectedParts(range, file), header)
        t.is(response.status, 206)
        const { 'content-type': multi, 'content-length': length, ...rest } = ownHeaders(response)
        t.deepEqual(rest, common(bytes.length), header)
        t.regex(multi ?? '', /^multipart\/byteranges; boundary=/)
        t.is(Number(length), response.body.length)
        continue
      }
      const seen = [response.status, ownHeaders(response), sha256(response.body)]
      t.deepEqual(seen, [...expectation('GET', range, file)], `${name} ${header}`)
    }
    await allClosed(folder)
  })

  test.serial(
    `${name}, ${bytes.length} bytes: HEAD has the headers of the whole file, and other methods are refused`,
    async (t) => {
      const { ask } = await siteOf(t, serveStatic(folder))
      const whole = expectation('HEAD', undefined, file)
      for (const header of ['', ...Object.keys(RANGES).slice(0, 8)]) {
        const response = await ask(`/${name}`, { method: 'HEAD', headers: header === '' ? {} : { range: header } })
        rows += 1
        t.deepEqual([response.status, ownHeaders(response), sha256(response.body)], [...whole], `${name} ${header}`)
      }
      for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
        const response = await ask(`/${name}`, { method, headers: { 'content-length': '0' } })
        rows += 1
        t.deepEqual([response.status, response.headers.get('allow')], [405, 'GET, HEAD'])
        t.is(response.body.toString(), 'Method Not Allowed\n')
      }
      const response = await ask(`/${name}`)
      t.deepEqual(
        [response.status, ownHeaders(response), sha256(response.body)],
        [...expectation('GET', undefined, file)],
      )
      t.is(response.headers.get('content-type'), type)
      await allClosed(folder)
    },
  )
}

test.serial('there are at least 200 rows', (t) => {
  t.true(rows >= 200, `${rows}`)
})
