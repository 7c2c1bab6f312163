// The cases of everybody who did this before have one list of numbers: each is the title of a test in this folder, or its
// place is named here.
import { readdirSync, readFileSync } from 'node:fs'
import test from 'ava'

/** What is asked for: first and last number of each run. */
const ASKED: readonly (readonly [first: number, last: number])[] = [
  [1, 6],
  [12, 57],
  [64, 68],
  [102, 104],
]

interface Elsewhere {
  readonly numbers: readonly [first: number, last: number]
  /** From the root of the repository. */
  readonly file: string
  /** What declares the test. */
  readonly declaration: string
}

const ELSEWHERE: readonly Elsewhere[] = [
  {
    // LTP sendfile04: no JavaScript can pass an address that is not its own
    numbers: [64, 68],
    file: 'crates/sys/tests/kernel/ltp.rs',
    declaration: 'fn sendfile04_offsets_that_cannot_be_read_or_written()',
  },
]

/** "Origin 12: what it shows", as a string of any kind. */
const TITLE = /['"`](?<origin>[A-Z][^'"`\n]{1,60}?) (?<first>\d+)(?:–(?<last>\d+))?: /g

const root = new URL('../../', import.meta.url)
const folder = new URL('./', import.meta.url)

interface Title {
  readonly origin: string
  readonly numbers: readonly number[]
}

function titles(): Title[] {
  const specs = readdirSync(folder).filter((name) => name.endsWith('.spec.ts') && name !== 'index.spec.ts')
  return specs.flatMap((name) => {
    const found = readFileSync(new URL(name, folder), 'utf8').matchAll(TITLE)
    return [...found].map(({ groups }) => {
      const { origin = '', first, last } = groups ?? {}
      return { origin, numbers: run(Number(first), Number(last ?? first)) }
    })
  })
}

function run(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index)
}

test('every case that is asked for is there, and no other', (t) => {
  const here = titles().flatMap(({ numbers }) => numbers)
  const elsewhere = ELSEWHERE.flatMap(({ numbers }) => run(...numbers))
  const covered = [...new Set([...here, ...elsewhere])].toSorted((one, other) => one - other)
  t.deepEqual(
    covered,
    ASKED.flatMap((numbers) => run(...numbers)),
  )
})

test('a number has one origin', (t) => {
  const origins = new Map<number, string>()
  for (const { origin, numbers } of titles()) {
    for (const number of numbers) {
      t.is(origins.get(number) ?? origin, origin, `case ${number}`)
      origins.set(number, origin)
    }
  }
})

test('what is tested elsewhere is there', (t) => {
  for (const { file, declaration } of ELSEWHERE) {
    t.true(readFileSync(new URL(file, root), 'utf8').includes(declaration), `${file}: ${declaration}`)
  }
})
