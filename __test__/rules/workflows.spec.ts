// The workflows of .github/: rules that actionlint does not know.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = join(root, '.github/workflows')
const workflows = readdirSync(folder).map((name) => ({ name, text: readFileSync(join(folder, name), 'utf8') }))
const ci = workflows.find(({ name }) => name === 'ci.yml')?.text ?? ''

/** The jobs of a workflow: its text from each name to the next. */
function jobsOf(text: string): Map<string, string> {
  const [, body = ''] = text.split(/^jobs:\n/m)
  const parts = body.split(/^ {2}([\w-]+):\n/m).slice(1)
  return new Map(parts.flatMap((part, at) => (at % 2 === 0 ? [[part, parts[at + 1] ?? '']] : [])))
}

test('ci-ok depends on every other job', (t) => {
  const jobs = jobsOf(ci)
  t.true(jobs.size >= 10, [...jobs.keys()].join(', '))
  const [, listed = ''] = /needs:\n((?: {6}- [\w-]+\n)+)/.exec(jobs.get('ci-ok') ?? '') ?? []
  const needed = [...listed.matchAll(/- ([\w-]+)/g)].map(([, name]) => name)
  t.deepEqual(needed.toSorted(), [...jobs.keys()].filter((name) => name !== 'ci-ok').toSorted())
  t.regex(jobs.get('ci-ok') ?? '', /^ {4}if: always\(\)$/m)
})

test('ci-ok fails unless every job has succeeded', (t) => {
  const script = join(root, 'scripts/check/ci-ok.mjs')
  const end = (needs: Record<string, { result: string }>): number | null =>
    spawnSync(process.execPath, [script], { env: { ...process.env, NEEDS: JSON.stringify(needs) } }).status
  t.is(end({ lint: { result: 'success' }, gate: { result: 'success' } }), 0)
  for (const result of ['failure', 'cancelled', 'skipped'])
    t.is(end({ lint: { result: 'success' }, gate: { result } }), 1, result)
  t.is(end({}), 1)
})

test('actions are pinned to commits, one commit for each version', (t) => {
  const uses = workflows.flatMap(({ name, text }) =>
    [...text.matchAll(/uses: (\S+)(.*)/g)].map(([, action = '', comment = '']) => ({ name, action, comment })),
  )
  const foreign = uses.filter(({ action }) => !action.startsWith('./'))
  t.true(foreign.length > 20)
  for (const { name, action, comment } of foreign) {
    t.regex(action, /^[\w.-]+\/[\w./-]+@[0-9a-f]{40}$/, name)
    t.regex(comment, /^ # v\d+\.\d+\.\d+$/, `${name}: ${action}`)
  }
  const commits = new Set(foreign.map(({ action, comment }) => action + comment))
  const versions = new Set(foreign.map(({ action, comment }) => `${action.split('@')[0]}${comment}`))
  t.is(commits.size, versions.size, [...commits].join('\n'))
})

test('workflows have read permission only, and jobs have a time limit', (t) => {
  for (const { name, text } of workflows) {
    t.regex(text, /^permissions:(?: \{\}|\n {2}contents: read)\n/m, `${name} asks for few permissions`)
    for (const [job, body] of jobsOf(text)) {
      if (/^ {4}uses: /m.test(body)) continue
      t.regex(body, /^ {4}timeout-minutes: \d+$/m, `${name}: ${job} has an end`)
    }
  }
  const writing = workflows.flatMap(({ name, text }) =>
    [...text.matchAll(/^ +([\w-]+): write\b/gm)].map(([, what]) => `${name}: ${what}`),
  )
  t.deepEqual(writing, ['release.yml: id-token'])
})

test('the scripts that steps run exist', (t) => {
  const { scripts }: { scripts: Record<string, string> } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const text = workflows.map((workflow) => workflow.text).join('\n')
  const npm = [...text.matchAll(/npm run ([\w:-]+)/g)].map(([, name = '']) => name)
  const files = [...text.matchAll(/(?:run: |node )((?:scripts|\.ci)\/[\w./-]+)/g)].map(([, path = '']) => path)
  const chosen = [...text.matchAll(/script: ([\w.-]+\.sh)/g)].map(([, name]) => `scripts/build/${name}`)
  t.true(npm.length > 20 && files.length > 3 && chosen.length === 7)
  t.deepEqual(
    npm.filter((name) => scripts[name] === undefined),
    [],
  )
  t.deepEqual(
    [...files, ...chosen].filter((path) => !existsSync(join(root, path))),
    [],
  )
  const listed = execFileSync('git', ['ls-files', '--stage', 'scripts'], { cwd: root, encoding: 'utf8' })
  const plain = [...listed.matchAll(/^100644 .*\t(\S+\.sh)$/gm)].map(([, path]) => path)
  t.deepEqual(plain, [], 'every .sh may be executed')
})
