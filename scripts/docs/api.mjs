// `npm run docs`: writes docs/api.md from the doc comments of what the entries export.
// `npm run docs -- --check`: writes nothing, and fails if the file is out of date.
// Not TypeDoc with typedoc-plugin-markdown: it omits the comment of a module without exports (sendfile64/register) and
// the types of @throws, and does not link error codes to errors.md; its page is twice as long.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { Unprepared, program } from '../dev/program.mjs'
import { root } from '../dev/provision.mjs'

const path = join(root, 'docs/api.md')

/** TypeScript is loaded here: --help needs no package. */
async function generate() {
  const { Exports } = await import('./exports.mjs')
  const { Page } = await import('./page.mjs')
  const { Undocumented } = await import('./comment.mjs')
  try {
    return new Page(new Exports(root)).text()
  } catch (error) {
    if (error instanceof Undocumented) throw new Unprepared(`docs: ${error.message}`)
    throw error
  }
}

await program(import.meta, { options: { check: { type: 'boolean', default: false } } }, async ({ values }) => {
  const text = await generate()
  if (!values.check) {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
    return 0
  }
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return 0
  console.error('docs: docs/api.md does not match the doc comments: run `npm run docs` and commit it')
  return 1
})
