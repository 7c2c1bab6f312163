// `npm run docs`: writes docs/api.md from the doc comments of what the entries export.
// `npm run docs -- --check`: writes nothing, and fails when the file is not what would be written.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { Exports } from './exports.mjs'
import { Page } from './page.mjs'
import { Undocumented } from './comment.mjs'
import { main, root, Unprepared } from '../dev/provision.mjs'

const path = join(root, 'docs/api.md')

function generate() {
  try {
    return new Page(new Exports(root)).text()
  } catch (error) {
    if (error instanceof Undocumented) throw new Unprepared(`docs: ${error.message}`)
    throw error
  }
}

await main(() => {
  const [flag, ...rest] = process.argv.slice(2)
  if (rest.length > 0 || (flag !== undefined && flag !== '--check')) {
    console.error('usage: npm run docs [-- --check]')
    return 2
  }
  const text = generate()
  if (flag === undefined) {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
    return 0
  }
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return 0
  console.error('docs: docs/api.md is not what the doc comments say: run `npm run docs` and commit it')
  return 1
})
