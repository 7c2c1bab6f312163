// Every code and every sentence of `fallbacks` is in docs/design/fallback.md, and nothing else is.
import { readdirSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import test from 'ava'

import {
  foreignHandle,
  foreignStream,
  OBSTACLE,
  type Obstacle,
  refusal,
  shortageOf,
  wrapped,
} from '../../lib/errors/obstacle.ts'

const page = readFileSync(new URL('../../docs/design/fallback.md', import.meta.url), 'utf8')

/** The table as `CODE reason`; an empty code is the one above it. Text in asterisks is an example. */
function documented(): string[] {
  const table = page.slice(page.indexOf('| code | reason | when |'))
  const rows = table.slice(0, table.indexOf('\n\n')).split('\n').slice(2)
  let code = ''
  return rows.map((row) => {
    const [, named = '', reason = ''] = row.split('|').map((cell) => cell.trim())
    if (named !== '') code = named.replaceAll('`', '')
    return `${code} ${reason.replaceAll('*', '')}`
  })
}

function known(): string[] {
  const { EAGAIN, EINVAL, EMFILE, ENFILE, ENOMEM } = constants.errno
  const shortages = [EMFILE, ENFILE, EAGAIN, ENOMEM].map((errno) => shortageOf(errno))
  const made = [wrapped('write'), foreignStream('Writable'), foreignHandle('TTY')]
  const obstacles: (Obstacle | undefined)[] = [...Object.values(OBSTACLE), ...shortages, ...made]
  return [
    ...obstacles.map((obstacle) => `${obstacle?.code} ${obstacle?.reason}`),
    `any errno ${refusal('sendfile', EINVAL).reason}`,
  ]
}

test('the documentation has every code and every reason, and no others', (t) => {
  t.true(known().length > 20)
  t.deepEqual(documented().toSorted(), known().toSorted())
})

test('no two obstacles have the same sentence', (t) => {
  t.is(new Set(known()).size, known().length)
})

test('a stream of node:http2 has its own code', (t) => {
  t.is(foreignStream('ServerHttp2Stream').code, 'HTTP2')
})

test('only lib/errors/obstacle.ts contains these sentences', (t) => {
  const codes = 'TLS|HTTP2|WRAPPED|FILESYSTEM|FOREIGN|PLATFORM|SMALL'
  const names = readdirSync(new URL('../../lib', import.meta.url), { recursive: true, encoding: 'utf8' })
  const others = names.filter((name) => name.endsWith('.ts') && name !== join('errors', 'obstacle.ts'))
  t.true(others.length > 60)
  for (const name of others) {
    const text = readFileSync(new URL(`../../lib/${name}`, import.meta.url), 'utf8')
    t.notRegex(text, new RegExp(`code: '(?:${codes})'`), name)
  }
})
