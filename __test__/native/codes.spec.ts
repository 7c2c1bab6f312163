// Every number that crosses between Rust and JavaScript is written once, in crates/binding/src/codes.rs.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import test from 'ava'

import * as codes from '../../lib/native/codes.ts'

const script = fileURLToPath(new URL('../../scripts/build/codes.mjs', import.meta.url))

const { CALL, CALLS, METHOD, METHODS, STATUS, COMMAND, REPORT, FALLBACK, ...tables } = codes

test('lib/native/codes.ts is what `npm run codes` would write', (t) => {
  const { status, stderr } = spawnSync(process.execPath, [script, '--check'], {
    env: { ...process.env, NODE_OPTIONS: '' },
    encoding: 'utf8',
    timeout: 50_000,
  })
  t.deepEqual({ status, stderr }, { status: 0, stderr: '' })
})

test('no number of a table is used twice', (t) => {
  const found = Object.entries({ ...tables, CALL, METHOD })
  t.true(found.length >= 10)
  for (const [name, table] of found) {
    const numbers: readonly number[] = Object.values(table)
    t.is(new Set(numbers).size, numbers.length, name)
  }
})

test('a number is listed under its name', (t) => {
  t.deepEqual(Object.keys(CALL), [...CALLS])
  t.deepEqual(Object.keys(METHOD), [...METHODS])
})

test('a method has different numbers as the only method and as the first method', (t) => {
  const numbers = METHODS.flatMap((method): number[] => [codes.ONLY[method], codes.PREFER[method]])
  t.is(new Set([codes.ONLY.auto, ...numbers]).size, 2 * METHODS.length + 1)
})

const { room, ...reportPlaces } = REPORT

test('an event has room for a ladder of all methods', (t) => {
  const found: number = room
  t.is(found, REPORT.length + (METHODS.length - 1) * FALLBACK.length)
})

for (const [name, layout] of Object.entries({ STATUS, COMMAND, REPORT: reportPlaces, FALLBACK })) {
  test(`${name} has one index for each of its figures and no other`, (t) => {
    const { length, ...places } = layout
    const numbers: readonly number[] = Object.values(places)
    t.deepEqual(
      numbers.toSorted((a, b) => a - b),
      Array.from({ length }, (_, place) => place),
    )
  })
}
