// docs/errors.md, the table of codes and the failures of crates/sys agree.
import { readFileSync, readdirSync } from 'node:fs'
import { constants } from 'node:os'
import test from 'ava'

import { ERROR_CODES } from '../../lib/errors/sendfile-error.ts'

const root = new URL('../..', import.meta.url)
const page = readFileSync(new URL('docs/errors.md', root), 'utf8')

/** Text of each `## heading`. */
const sections = new Map(
  page
    .split(/^## /m)
    .slice(1)
    .map((text): [string, string] => [text.slice(0, text.indexOf('\n')), text]),
)
const codes = Object.keys(ERROR_CODES)
const documented = [...sections.keys()].filter((heading) => /^[A-Z_]+$/.test(heading))

/** The codes in the first column of a section's table. */
function rowsOf(heading: string): string[] {
  const rows = (sections.get(heading) ?? '').split('\n').filter((line) => line.startsWith('| `'))
  return rows.flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`(\w+)`/g)].map(([, code = '']) => code))
}

test('every code has a section', (t) => {
  t.true(codes.length >= 6)
  t.deepEqual(
    codes.filter((code) => !documented.includes(code)),
    [],
  )
})

test('every section has a code', (t) => {
  t.true(documented.length >= 6)
  t.deepEqual(
    documented.filter((code) => !codes.includes(code)),
    [],
  )
})

test('every section has a cause, a remedy and the fields', (t) => {
  for (const code of documented) {
    const text = sections.get(code) ?? ''
    for (const part of ['\nWhen: ', '\nWhat to do: ', '```js\n', `code: '${code}'`, 'bytesSent: ', 'offset: '])
      t.true(text.includes(part), `${code}: ${part}`)
  }
})

test('every errno of the kernel table exists and is listed once', (t) => {
  const named = rowsOf('What the kernel says')
  t.true(named.length >= 20)
  t.deepEqual(
    named.filter((code) => !(code in constants.errno)),
    [],
  )
  t.is(new Set(named).size, named.length)
})

test('every errno that crates/sys names as a failure is in the kernel table', (t) => {
  const folder = new URL('crates/sys/src/', root)
  const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.rs'))
  const text = sources.map((name) => readFileSync(new URL(name, folder), 'utf8')).join('\n')
  const arms = [...text.matchAll(/((?:Errno::\w+[\s|]*)+)=>\s*Ended::Failed/g)]
  const failures = arms.flatMap(([, arm = '']) => [...arm.matchAll(/Errno::(\w+)/g)].map(([, name = '']) => name))
  t.true(failures.length >= 8, `found only ${failures.join()}`)
  const named = rowsOf('What the kernel says')
  t.deepEqual(
    failures.filter((code) => !named.includes(code)),
    [],
  )
})

test("Node's codes for bad arguments are those that lib/errors/node-error.ts uses", (t) => {
  const source = readFileSync(new URL('lib/errors/node-error.ts', root), 'utf8')
  const given = new Set([...source.matchAll(/'(ERR_(?:INVALID|OUT)_[A-Z_]+)'/g)].map(([, code = '']) => code))
  t.deepEqual(rowsOf('Bad arguments').toSorted(), [...given].toSorted())
})
