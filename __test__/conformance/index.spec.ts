// The cases of all origins share one list of numbers: each is in the title of a test in this folder, or in
// elsewhere.ts.
import { readdirSync, readFileSync } from 'node:fs'
import test from 'ava'

import { elsewhere } from './elsewhere.ts'

/** Required numbers: first and last of each range. Cases 7 to 11 need BSD, 85 a terminal. */
const ASKED: readonly (readonly [first: number, last: number])[] = [
  [1, 6],
  [12, 84],
  [86, 101],
]

/**
 * Hazards that no other suite has. L is the trace, which has no record per system call yet; M is
 * descriptor-kinds.spec.ts.
 */
const HAZARDS = [...'ABCDEFGHIJKNOPQR']

/** "Origin 12: what it shows", as a string of any kind. */
const TITLE = /['"`](?<origin>[A-Za-z][^'"`\n]{1,60}?) (?<first>\d+)(?:–(?<last>\d+))?: /g
/** "Origin ${number}: …": the numbers are first in the rows of the file's tables. */
const TABLE = /['"`](?<origin>[A-Za-z]+) \$\{number\}/
const ROWS = /for \(const \[(?:\w+, )?number[^\]]*\] of \[(?<rows>.*?)\] as const/gs
const ROW = /^ +\[(?:'\w', )?(?<number>\d+), /gm

const root = new URL('../../', import.meta.url)
const folder = new URL('./', import.meta.url)

interface Title {
  readonly origin: string
  readonly numbers: readonly number[]
}

/** The specs of this folder but this one. */
function texts(): string[] {
  const specs = readdirSync(folder).filter((name) => name.endsWith('.spec.ts') && name !== 'index.spec.ts')
  return specs.map((name) => readFileSync(new URL(name, folder), 'utf8'))
}

function titles(): Title[] {
  return texts().flatMap((text) => singles(text).concat(tables(text)))
}

function singles(text: string): Title[] {
  return Array.from(text.matchAll(TITLE), ({ groups }) => {
    const { origin = '', first, last } = groups ?? {}
    return { origin, numbers: run(Number(first), Number(last ?? first)) }
  })
}

function tables(text: string): Title[] {
  const origin = TABLE.exec(text)?.groups?.origin
  if (origin === undefined) return []
  const rows = Array.from(text.matchAll(ROWS), ({ groups }) => groups?.rows ?? '')
  const numbers = rows.flatMap((row) => Array.from(row.matchAll(ROW), ({ groups }) => Number(groups?.number)))
  return [{ origin, numbers }]
}

function run(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index)
}

test('every required case has a test', (t) => {
  const covered = new Set(titles().flatMap(({ numbers }) => numbers))
  for (const name of Object.keys(elsewhere)) covered.add(Number(/^\w+ (\d+)$/.exec(name)?.[1]))
  const asked = ASKED.flatMap((numbers) => run(...numbers))
  t.true(asked.length >= 95)
  t.deepEqual(
    asked.filter((number) => !covered.has(number)),
    [],
  )
})

test('every hazard that no other suite covers has a test', (t) => {
  const found = texts().flatMap((text) => [...text.matchAll(/['"`]2\.13 ([A-R])\b/g)].map(([, letter]) => letter))
  const covered = new Set([...found, ...Object.keys(elsewhere).map((name) => /^2\.13 ([A-R])$/.exec(name)?.[1])])
  t.deepEqual(
    HAZARDS.filter((letter) => !covered.has(letter)),
    [],
  )
})

test('a case number has one origin', (t) => {
  const origins = new Map<number, string>()
  for (const { origin, numbers } of titles()) {
    for (const number of numbers) {
      t.is(origins.get(number) ?? origin, origin, `case ${number}`)
      origins.set(number, origin)
    }
  }
})

test('every test named in elsewhere.ts exists', (t) => {
  for (const [name, place] of Object.entries(elsewhere)) {
    t.true(readFileSync(new URL(place.file, root), 'utf8').includes(place.test), `${name}: ${place.test}`)
  }
})
