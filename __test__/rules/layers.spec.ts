// The layers of lib/: ARCHITECTURE.md lists its folders from the lowest to the highest, and no import points upward. Files are
// short, there and beside it.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join, posix, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import ts from 'typescript'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The folder of the public functions: the files that are directly in lib/. */
const FACES = 'lib'

function filesUnder(folder: string, extension: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(extension))
    .map((name) => join(folder, name).split(sep).join('/'))
}

const files = filesUnder('lib', '.ts')
const folders = [...new Set(files.map((file) => posix.dirname(file)))]
const architecture = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8')
/** The folders in the order of their headings: '### lib/errors/: codes and messages'. */
const layers = [...architecture.matchAll(/^### (lib(?:\/[\w/]+?)?)\/: /gm)].map(([, folder = '']) => folder)

interface Import {
  /** `path:line`, for messages. */
  readonly at: string
  readonly from: string
  readonly to: string
}

/** The imports of a file from other folders of lib/: of values and of types, static and dynamic, and re-exports. */
function importsOf(file: string): Import[] {
  const source = ts.createSourceFile(file, readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.ES2022, true)
  const imports: Import[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node) && node.text.startsWith('.') && isSpecifier(node)) {
      const from = posix.dirname(file)
      const to = posix.dirname(posix.join(from, node.text))
      const line = source.getLineAndCharacterOfPosition(node.getStart()).line + 1
      if (from !== to) imports.push({ at: `${file}:${line} imports ${node.text}`, from, to })
    }
    node.forEachChild(visit)
  }
  visit(source)
  return imports
}

function isSpecifier({ parent }: ts.Node): boolean {
  if (ts.isCallExpression(parent)) return /^(?:import|require)$/.test(parent.expression.getText())
  if (ts.isLiteralTypeNode(parent)) return ts.isImportTypeNode(parent.parent)
  return ts.isImportDeclaration(parent) || ts.isExportDeclaration(parent)
}

const imports = files.flatMap(importsOf)

test('ARCHITECTURE.md lists every folder of lib/ once', (t) => {
  t.true(folders.length > 10)
  t.deepEqual(layers.toSorted(), folders.toSorted())
})

test('no import in lib/ points to a higher folder', (t) => {
  t.true(imports.length > 100)
  const isUpward = ({ from, to }: Import): boolean => layers.indexOf(to) > layers.indexOf(from)
  t.deepEqual(
    imports.filter(isUpward).map(({ at }) => at),
    [],
  )
})

test('no file in lib/ imports from outside lib/', (t) => {
  const isOutside = ({ to }: Import): boolean => to !== FACES && !to.startsWith(`${FACES}/`)
  t.deepEqual(
    imports.filter(isOutside).map(({ at }) => at),
    [],
  )
})

test('the folders of lib/ do not import each other in a cycle', (t) => {
  const remaining = new Map(folders.map((folder) => [folder, new Set<string>()]))
  for (const { from, to } of imports) remaining.get(from)?.add(to)
  // Takes the folders away that import none of the others, until none of them is left or all of them are in a cycle.
  for (let size = -1; size !== remaining.size;) {
    size = remaining.size
    for (const [folder, imported] of remaining)
      if (![...imported].some((other) => remaining.has(other))) remaining.delete(folder)
  }
  t.deepEqual([...remaining.keys()], [])
})

/** A folder with fewer than four files is hard to find, one with more than ten hard to survey. */
const FEWEST = 4
const MOST = 10
const OTHER_SIZES: ReadonlyMap<string, string> = new Map([
  ['lib/trace', 'one channel today: records of a transfer and their format are still to come'],
])

test('a folder of lib/ has 4 to 10 files', (t) => {
  const sizeOf = (folder: string): number => files.filter((file) => posix.dirname(file) === folder).length
  const wrong = folders
    .filter((folder) => !OTHER_SIZES.has(folder))
    .map((folder) => ({ folder, size: sizeOf(folder) }))
    .filter(({ size }) => size < FEWEST || size > MOST)
  t.deepEqual(wrong, [])
})

const LONGEST = 300

interface Long {
  readonly file: string
  readonly lines: number
}

function longOf(paths: readonly string[]): Long[] {
  return paths
    .map((file) => ({ file, lines: readFileSync(join(root, file), 'utf8').split('\n').length - 1 }))
    .filter(({ lines }) => lines > LONGEST)
}

test('a file in lib/ and in the sources of the crates has at most 300 lines', (t) => {
  const rust = filesUnder('crates', '.rs').filter((file) => /^crates\/[^/]+\/src\//.test(file))
  t.true(rust.length > 20)
  t.deepEqual(longOf([...files, ...rust]), [])
})

/** Folders in which installed packages, results and caches lie beside the sources: Git knows which are sources. */
const BESIDE = ['__test__', 'scripts', 'bench', 'compat', 'soak']

test('a file of the tests, scripts, benchmarks, compatibility checks and soak tests has at most 300 lines', (t) => {
  const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard', ...BESIDE], {
    cwd: root,
    encoding: 'utf8',
  })
  const sources = listed
    .split('\n')
    .filter((file) => /\.(?:[cm]?[jt]s|c|h|sh|py)$/.test(file) && existsSync(join(root, file)))
  for (const folder of BESIDE)
    t.true(
      sources.some((file) => file.startsWith(`${folder}/`)),
      folder,
    )
  t.deepEqual(longOf(sources), [])
})
