// `npm run codes`: writes lib/native/codes.ts from crates/binding/src/codes.rs, the only definition of every number
// that crosses between Rust and JavaScript. `npm run codes -- --check`: writes nothing, and fails if the file is out of
// date.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { Unprepared, program } from '../dev/program.mjs'
import { root } from '../dev/provision.mjs'

const from = 'crates/binding/src/codes.rs'
const to = 'lib/native/codes.ts'

/** Tables whose names are words of the API or of Node, which have underscores; their names are listed as well. */
const LISTED = { call: 'CALLS', method: 'METHODS' }
const WORDS = new Set([...Object.keys(LISTED), 'only', 'prefer'])

/** The tables of the Rust file. Unexpected lines are an error, so that no constant is lost. */
function parse(text) {
  const tables = []
  let comment = []
  let table
  const body = text.replace(/^(?:\/\/!.*\n)+/, '').replace(/^\s*#!\[expect\(\n(?:.*\n)*?\)\]\n/, '')
  for (const line of body.split('\n')) {
    const [, words] = /^\s*\/\/\/ (.*)$/.exec(line) ?? []
    const [, module] = /^pub mod (\w+) \{$/.exec(line) ?? []
    const [, constant, value] = /^ {4}pub const (\w+): (?:u8|i32|usize) = (\d+);$/.exec(line) ?? []
    if (words !== undefined) comment.push(words)
    else if (module !== undefined && table === undefined) table = { name: module, comment, codes: [] }
    else if (constant !== undefined && table !== undefined) table.codes.push({ name: constant, value, comment })
    else if (line === '}' && table !== undefined) tables.push(table)
    else if (line !== '') throw new Unprepared(`codes: ${from} has a line that is not a constant: ${line}`)
    if (line === '}') table = undefined
    if (words === undefined) comment = []
  }
  return tables
}

const camel = (name) => name.toLowerCase().replaceAll(/_([a-z])/g, (_, letter) => letter.toUpperCase())

/** Comments use the names of modules and constants of Rust; they are translated to those of TypeScript. */
function comments(lines, indent) {
  const [first, ...rest] = lines.map((line) => line.replaceAll(/`([a-z]+_?[a-z]+)`|`([A-Z_]+)`/g, asTypeScript))
  if (first === undefined) return ''
  if (rest.length === 0) return `${indent}/** ${first} */\n`
  return `${indent}/**\n${[first, ...rest].map((line) => `${indent} * ${line}\n`).join('')}${indent} */\n`
}

function asTypeScript(_, table, place) {
  if (place !== undefined) return `\`${camel(place)}\``
  return known.has(table) ? `{@link ${table.toUpperCase()}}` : `\`${table}\``
}

function print({ name, comment, codes }) {
  const key = WORDS.has(name) ? (word) => word.toLowerCase() : camel
  const rows = codes.map((code) => `${comments(code.comment, '  ')}  ${key(code.name)}: ${code.value},\n`)
  const list = LISTED[name]
  if (list !== undefined && codes.some(({ value }, index) => Number(value) !== index))
    throw new Unprepared(`codes: the numbers of ${list} must count from 0, because it is an array`)
  const listed =
    list === undefined
      ? ''
      : printList(
          list,
          name.toUpperCase(),
          codes.map((code) => `'${key(code.name)}'`),
        )
  return `${comments(comment, '')}export const ${name.toUpperCase()} = {\n${rows.join('')}} as const\n${listed}`
}

/** Formatted as by oxfmt: on one line if it fits. */
function printList(list, table, names) {
  const line = `export const ${list} = [${names.join(', ')}] as const`
  const lines = `export const ${list} = [\n${names.map((name) => `  ${name},\n`).join('')}] as const`
  return `/** The names of {@link ${table}}, each at its number. */\n${line.length > 120 ? lines : line}\n`
}

/** The names of the tables. */
const known = new Set()

function generate() {
  const tables = parse(readFileSync(join(root, from), 'utf8'))
  for (const { name } of tables) known.add(name)
  const header = `/** Every number that crosses between Rust and JavaScript. Written by \`npm run codes\` from ${from}. */\n`
  return [header, ...tables.map(print)].join('\n')
}

await program(import.meta, { options: { check: { type: 'boolean', default: false } } }, ({ values }) => {
  const text = generate()
  const path = join(root, to)
  if (!values.check) {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
    return 0
  }
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return 0
  console.error(`codes: ${to} does not match ${from}: run \`npm run codes\` and commit it`)
  return 1
})
