// docs/api.md agrees with the doc comments and names nothing that does not exist.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'

import test from 'ava'

import * as httpEntry from '../../http.ts'
import * as mainEntry from '../../index.ts'
import { ERROR_CODES } from '../../lib/errors/sendfile-error.ts'

const root = new URL('../..', import.meta.url)
const entry = { ...mainEntry, ...httpEntry }
const page = readFileSync(new URL('docs/api.md', root), 'utf8')

/** The codes of Node that bad arguments have: docs/errors.md has a row for each. */
const NODE_CODES = [
  'ERR_HTTP_CONTENT_LENGTH_MISMATCH',
  'ERR_HTTP_HEADERS_SENT',
  'ERR_INVALID_ARG_TYPE',
  'ERR_INVALID_ARG_VALUE',
  'ERR_OUT_OF_RANGE',
]

test('docs/api.md is what `npm run docs` would write', (t) => {
  const script = fileURLToPath(new URL('scripts/docs/api.mjs', root))
  const { status, stderr } = spawnSync(process.execPath, [script, '--check'], {
    env: { ...process.env, NODE_OPTIONS: '' },
    encoding: 'utf8',
    timeout: 50_000,
  })
  t.deepEqual({ status, stderr }, { status: 0, stderr: '' })
})

test('every exported value has a heading', (t) => {
  const headings = [...page.matchAll(/^### (\S+)$/gm)].map(([, name = '']) => name)
  t.true(headings.length > Object.keys(entry).length)
  t.deepEqual(
    Object.keys(entry).filter((name) => !headings.includes(name)),
    [],
  )
})

test('every error code in docs/api.md exists', (t) => {
  const named = new Set(
    [...page.matchAll(/`(ERR_[A-Z_]*[A-Z]|ABORT_ERR|E[A-Z0-9]{3,})`/g)].map(([, code = '']) => code),
  )
  for (const code of ['ABORT_ERR', 'EAGAIN', ...NODE_CODES]) t.true(named.has(code), `${code} is not found any more`)
  const known = new Set([...Object.keys(ERROR_CODES), ...NODE_CODES, ...Object.keys(constants.errno)])
  t.deepEqual(
    [...named].filter((code) => !known.has(code)),
    [],
  )
})
