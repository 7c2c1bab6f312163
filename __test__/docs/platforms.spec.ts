// docs/platforms.md agrees with package.json and crates/.
import { readFileSync } from 'node:fs'
import test from 'ava'

const root = new URL('../..', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8')
const page = read('docs/platforms.md')
const manifest = JSON.parse(read('package.json'))

/** The rows of the table whose head begins with `first`, as their cells without Markdown. */
function tableOf(first: string): string[][] {
  const lines = page.split('\n')
  const head = lines.findIndex((line) => line.startsWith(`| ${first} |`))
  if (head === -1) throw new Error(`docs/platforms.md has no table '${first}'`)
  const end = lines.findIndex((line, index) => index > head && !line.startsWith('|'))
  return lines.slice(head + 2, end === -1 ? undefined : end).map((line) =>
    line
      .slice(2, -2)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim().replaceAll(/`|\\(?=\|)/g, '')),
  )
}

test('the documented targets are those that are built', (t) => {
  const targets: string[] = manifest.napi.targets
  t.true(targets.length >= 8)
  t.deepEqual(
    tableOf('target').map(([target]) => target),
    targets,
  )
})

test('the documented versions of Node.js are those of `engines`', (t) => {
  const node = tableOf('runtime').find(([runtime]) => runtime === 'Node.js')
  t.is(node?.[1], manifest.engines.node)
})

test('the documented kernel versions are those in crates/sys', (t) => {
  const source = read('crates/sys/src/probe.rs')
  const named = [...source.matchAll(/^ +\/\/\/ (\w+\(2\)(?: with \w+)?): Linux ([\d.]+)\.$/gm)]
  t.true(named.length >= 3)
  const rows = tableOf('feature')
  for (const [, feature = '', version] of named) {
    const row = rows.find(([name]) => name === feature)
    t.regex(row?.[1] ?? 'no row', new RegExp(`^${version?.replaceAll('.', String.raw`\.`)}(?:$|;)`), feature)
  }
})

/** The numbers of a list of filesystem.rs, without the `_` between digits. */
function magics(source: string, list: string): string[] {
  const [, body = ''] = new RegExp(`^const ${list}: &\\[u32\\] = &\\[(.*?)^\\];`, 'ms').exec(source) ?? []
  return [...body.matchAll(/0x([\da-f_]+)/g)].map(([, digits = '']) => digits.replaceAll('_', '').replace(/^0+/, ''))
}

for (const [list, title] of [
  ['REMOTE', 'remote filesystem'],
  ['PSEUDO', 'pseudo filesystem'],
] as const) {
  test(`each documented ${title} is classified as such by crates/sys`, (t) => {
    const numbers = magics(read('crates/sys/src/platform/linux/filesystem/mod.rs'), list)
    t.true(numbers.length >= 10)
    t.deepEqual(
      tableOf(title).map(([, number]) => number),
      numbers,
    )
  })
}
