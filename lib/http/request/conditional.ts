/** The five conditions of a request, in the order of RFC 9110 section 13.2.2. */
import type { IncomingHttpHeaders } from 'node:http'

/** The validators of the current representation, as the headers state them. */
export interface Validators {
  /** With its quotes; `undefined` if none is sent. */
  readonly etag: string | undefined
  /** In seconds since 1970; `undefined` if no date is sent. */
  readonly modified: number | undefined
}

/** The result: send it, 304, or 412. */
export type Verdict = 'send' | 'not-modified' | 'failed'

/** If-Match or If-Unmodified-Since, then If-None-Match or If-Modified-Since. An invalid date is ignored. */
export function evaluate(headers: IncomingHttpHeaders, { etag, modified }: Validators): Verdict {
  const match = headers['if-match']
  if (match !== undefined) {
    if (!lists(match, etag, isSameStrong)) return 'failed'
  } else if (modified !== undefined) {
    const limit = parseDate(headers['if-unmodified-since'])
    if (limit !== undefined && modified > limit) return 'failed'
  }
  const noneMatch = headers['if-none-match']
  if (noneMatch !== undefined) return lists(noneMatch, etag, isSameWeak) ? 'not-modified' : 'send'
  const since = parseDate(headers['if-modified-since'])
  return since !== undefined && modified !== undefined && modified <= since ? 'not-modified' : 'send'
}

/** Whether the Range header applies: If-Range has the strong tag, or exactly the date (RFC 9110 section 13.1.5). */
export function allowsRange(ifRange: string | undefined, { etag, modified }: Validators): boolean {
  if (ifRange === undefined) return true
  const value = ifRange.trim()
  if (value.endsWith('"')) return etag !== undefined && isSameStrong(value, etag)
  return modified !== undefined && parseDate(value) === modified
}

/** Whether a field is `*` or contains the tag. */
function lists(field: string, etag: string | undefined, isSame: (a: string, b: string) => boolean): boolean {
  if (field.trim() === '*') return true
  if (etag === undefined) return false
  for (const [tag] of field.matchAll(/(?:W\/)?"[\u0021\u0023-\u007E\u0080-\u00FF]*"/g))
    if (isSame(tag, etag)) return true
  return false
}

function isSameStrong(a: string, b: string): boolean {
  return a === b && !a.startsWith('W/')
}

function isSameWeak(a: string, b: string): boolean {
  return opaque(a) === opaque(b)
}

function opaque(tag: string): string {
  return tag.startsWith('W/') ? tag.slice(2) : tag
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
/** "Sun, 06 Nov 1994 08:49:37 GMT" */
const FIXED = /^[A-Z][a-z]{2}, (?<day>\d\d) (?<month>[A-Z][a-z]{2}) (?<year>\d{4}) (?<time>\d\d:\d\d:\d\d) GMT$/
/** "Sunday, 06-Nov-94 08:49:37 GMT" */
const RFC_850 = /^[A-Z][a-z]{5,8}, (?<day>\d\d)-(?<month>[A-Z][a-z]{2})-(?<year>\d\d) (?<time>\d\d:\d\d:\d\d) GMT$/
/** "Sun Nov  6 08:49:37 1994" */
const ASCTIME = /^[A-Z][a-z]{2} (?<month>[A-Z][a-z]{2}) (?<day>[\d ]\d) (?<time>\d\d:\d\d:\d\d) (?<year>\d{4})$/

/** An HTTP-date (RFC 9110 section 5.6.7) in seconds since 1970. `Date.parse` accepts other formats as well. */
export function parseDate(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = text.trim()
  const found = FIXED.exec(value) ?? RFC_850.exec(value) ?? ASCTIME.exec(value)
  const { day = '', month = '', year = '', time = '' } = found?.groups ?? {}
  const index = MONTHS.indexOf(month)
  if (index === -1) return undefined
  const [hours = 0, minutes = 0, seconds = 0] = time.split(':').map(Number)
  const full = year.length === 2 ? fullYear(Number(year)) : Number(year)
  const date = new Date(0)
  date.setUTCFullYear(full, index, Number(day))
  if (date.getUTCDate() !== Number(day) || hours > 23 || minutes > 59 || seconds > 60) return undefined
  return date.getTime() / 1000 + hours * 3600 + minutes * 60 + seconds
}

/** A year of two digits that would be more than 50 years in the future is in the past (section 5.6.7). */
function fullYear(digits: number): number {
  const now = new Date().getUTCFullYear()
  const year = now - (now % 100) + digits
  return year > now + 50 ? year - 100 : year
}
