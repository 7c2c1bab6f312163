// Every combination of conditions, with and without a Range, against a model that is written from RFC 9110 section 13.2.2
// as a list of steps.
import test from 'ava'

import { serveStatic } from '../../http.ts'
import { parseDate } from '../../lib/http/request/conditional.ts'
import { folderOf, put, siteOf } from '../fixtures/site.ts'

const TIME = 1_600_000_000
const dateOf = (seconds: number): string => new Date(seconds * 1000).toUTCString()
const [OLDER, EQUAL, NEWER] = [dateOf(TIME - 1), dateOf(TIME), dateOf(TIME + 1)]
const DATES = [undefined, OLDER, EQUAL, NEWER, 'yesterday', '2020-09-13T12:26:41Z'] as const

const folder = folderOf({})
// The fraction belongs to the second: it makes no condition wrong (row 53 of the reports: 304 and no 412 for the date that was sent).
put(`${folder}/file`, 'content', TIME + 0.999_999)

interface Conditions {
  readonly ifMatch: string | undefined
  readonly ifUnmodifiedSince: string | undefined
  readonly ifNoneMatch: string | undefined
  readonly ifModifiedSince: string | undefined
  readonly range: string | undefined
  readonly ifRange: string | undefined
}

/** The second that a date stands for; `undefined` for what is no HTTP-date. */
function secondOf(date: string | undefined): number | undefined {
  return date?.endsWith('GMT') === true ? Date.parse(date) / 1000 : undefined
}

/** `etag`: of the file. Lists have one tag or two. */
function model(etag: string, conditions: Conditions): number {
  const { ifMatch, ifUnmodifiedSince, ifNoneMatch, ifModifiedSince, range, ifRange } = conditions
  const strong = (tag: string): boolean => !tag.startsWith('W/') && !etag.startsWith('W/') && tag === etag
  const weak = (tag: string): boolean => tag.replace('W/', '') === etag.replace('W/', '')
  const any = (list: string, same: (tag: string) => boolean): boolean =>
    list === '*' || list.split(', ').some((tag) => same(tag))
  const unmodified = secondOf(ifUnmodifiedSince)
  const modified = secondOf(ifModifiedSince)
  // Steps 1 and 2
  if (ifMatch !== undefined && !any(ifMatch, strong)) return 412
  if (ifMatch === undefined && unmodified !== undefined && TIME > unmodified) return 412
  // Steps 3 and 4
  if (ifNoneMatch !== undefined && any(ifNoneMatch, weak)) return 304
  if (ifNoneMatch === undefined && modified !== undefined && TIME <= modified) return 304
  // Step 5
  if (range === undefined) return 200
  if (ifRange === undefined) return 206
  if (ifRange.includes('"')) return strong(ifRange) ? 206 : 200
  return secondOf(ifRange) === TIME ? 206 : 200
}

function* combinations(): Generator<Conditions> {
  for (const ifMatch of [undefined, '*', '"a"', 'W/"a"', '"b"', '"b", "a"'])
    for (const ifUnmodifiedSince of DATES)
      for (const ifNoneMatch of [undefined, '*', '"a"', 'W/"a"', '"b"', 'W/"b", W/"a"'])
        for (const ifModifiedSince of DATES)
          for (const [range, ifRange] of [
            [undefined, undefined],
            ['bytes=0-0', undefined],
            ['bytes=0-0', '"a"'],
            ['bytes=0-0', 'W/"a"'],
            ['bytes=0-0', EQUAL],
            ['bytes=0-0', NEWER],
            ['bytes=0-0', OLDER],
          ] as const)
            yield { ifMatch, ifUnmodifiedSince, ifNoneMatch, ifModifiedSince, range, ifRange }
}

const NAMES: Readonly<Record<keyof Conditions, string>> = {
  ifMatch: 'if-match',
  ifUnmodifiedSince: 'if-unmodified-since',
  ifNoneMatch: 'if-none-match',
  ifModifiedSince: 'if-modified-since',
  range: 'range',
  ifRange: 'if-range',
}

for (const etag of ['"a"', 'W/"a"']) {
  test(`every combination of conditions, for a file with the tag ${etag}`, async (t) => {
    t.timeout(120_000)
    const { ask } = await siteOf(t, serveStatic(folder, { etag: () => etag }))
    let rows = 0
    const wrong: string[] = []
    let batch: Promise<void>[] = []
    for (const conditions of combinations()) {
      rows += 1
      const present = Object.entries(conditions).filter(
        (entry): entry is [keyof Conditions, string] => entry[1] !== undefined,
      )
      const headers = Object.fromEntries(present.map(([name, value]) => [NAMES[name], value]))
      const expected = model(etag, conditions)
      batch.push(
        ask('/file', { headers }).then(({ status, body, headers: got }) => {
          const isWhole = got.get('etag') === etag || status === 412
          const length = status === 206 ? 1 : status === 200 ? 7 : status === 304 ? 0 : body.length
          if (status !== expected || body.length !== length || !isWhole)
            wrong.push(`${JSON.stringify(headers)}: ${status}, not ${expected}`)
        }),
      )
      if (batch.length === 100) {
        await Promise.all(batch)
        batch = []
      }
    }
    await Promise.all(batch)
    t.is(rows, 6 * 6 * 6 * 6 * 7)
    t.deepEqual(wrong.slice(0, 5), [])
  })
}

test('304 has the validators and how long it may be kept, and nothing of the body', async (t) => {
  const { ask } = await siteOf(t, serveStatic(folder, { maxAge: 60_000, precompressed: true }))
  const first = await ask('/file')
  const { status, headers, framing } = await ask('/file', {
    headers: { 'if-none-match': first.headers.get('etag') ?? '' },
  })
  t.is(status, 304)
  t.is(framing, 'none')
  const kept = ['etag', 'last-modified', 'cache-control', 'vary', 'accept-ranges']
  t.deepEqual(
    [...headers.keys()].filter((name) => !['date', 'connection', 'keep-alive'].includes(name)).toSorted(),
    kept.toSorted(),
  )
  for (const name of kept) t.is(headers.get(name), first.headers.get(name))
})

test('the three forms of an HTTP-date are read, and nothing else', (t) => {
  t.is(parseDate('Sun, 06 Nov 1994 08:49:37 GMT'), 784_111_777)
  t.is(parseDate('Sunday, 06-Nov-94 08:49:37 GMT'), 784_111_777)
  t.is(parseDate('Sun Nov  6 08:49:37 1994'), 784_111_777)
  for (const text of [
    '',
    '0',
    '784111777',
    '1994-11-06',
    'Sun, 31 Feb 1994 08:49:37 GMT',
    'Sun, 06 Nov 1994 24:49:37 GMT',
  ]) {
    t.is(parseDate(text), undefined, text)
  }
})
