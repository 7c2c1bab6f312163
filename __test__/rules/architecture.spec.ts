// The rules of ARCHITECTURE.md that no linter can express. Each collector states how many files it must
// find at least, so that a glob which matches nothing cannot pass.
import { readFileSync, readdirSync } from 'node:fs'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import ts from 'typescript'

import { DEFAULT_QUANTUM } from '../../lib/options/sendfile.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

interface Source {
  /** path from the root folder, with `/` */
  readonly path: string
  readonly text: string
}

function readSources(folder: string, extension: string, atLeast: number): Source[] {
  const found = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(extension))
    .map((name) => {
      const path = join(folder, name)
      return { path: path.split(sep).join('/'), text: readFileSync(join(root, path), 'utf8') }
    })
  if (found.length < atLeast) throw new Error(`${folder}/**/*${extension}: ${found.length} files, not ${atLeast}`)
  return found
}

const lib = readSources('lib', '.ts', 8)
const rust = readSources('crates', '.rs', 12)
const manifests = readSources('crates', 'Cargo.toml', 4)

/** Every node of the file for which `matches` holds, as `path:line`. */
function find({ path, text }: Source, matches: (node: ts.Node) => boolean): string[] {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true)
  const found: string[] = []
  const visit = (node: ts.Node): void => {
    if (matches(node)) found.push(`${path}:${file.getLineAndCharacterOfPosition(node.getStart()).line + 1}`)
    node.forEachChild(visit)
  }
  visit(file)
  return found
}

/** The same for all of lib/ except the permitted files. */
function findOutside(allowed: readonly string[], matches: (node: ts.Node) => boolean): string[] {
  for (const path of allowed)
    if (!lib.some((source) => source.path === path)) throw new Error(`${path} is gone: so is what this test holds`)
  return lib.filter(({ path }) => !allowed.includes(path)).flatMap((source) => find(source, matches))
}

/** Rust without its comments, which may contain the forbidden names. */
function findInRust(allowed: (path: string) => boolean, pattern: RegExp): string[] {
  return rust
    .filter(({ path }) => !allowed(path))
    .flatMap(({ path, text }) =>
      text
        .split('\n')
        .map((line, index) => ({ code: line.replace(/\/\/.*$/, ''), at: `${path}:${index + 1}` }))
        .filter(({ code }) => pattern.test(code))
        .map(({ at }) => at),
    )
}

const isPrivateName = (name: string): boolean => /^_[A-Za-z]/.test(name)

test('only lib/native/load.ts names the addon', (t) => {
  const isAddon = (node: ts.Node): boolean =>
    ts.isStringLiteralLike(node) && /^#binding$|^#built\/|\.node$/.test(node.text)
  t.deepEqual(findOutside(['lib/native/load.ts'], isAddon), [])
})

test('only lib/errors/sendfile-error.ts creates a SendfileError', (t) => {
  const isMade = (node: ts.Node): boolean =>
    ts.isNewExpression(node) && node.expression.getText().endsWith('SendfileError')
  t.deepEqual(findOutside(['lib/errors/sendfile-error.ts'], isMade), [])
})

test('lib/errors/ imports nothing from other folders', (t) => {
  const errors = lib.filter(({ path }) => path.startsWith('lib/errors/'))
  t.true(errors.length > 3)
  const isElsewhere = (node: ts.Node): boolean =>
    ts.isStringLiteralLike(node) && /^(?:\.\.|#)/.test(node.text) && isSpecifier(node)
  t.deepEqual(
    errors.flatMap((source) => find(source, isElsewhere)),
    [],
  )
})

const NODE = lib.map(({ path }) => path).filter((path) => /^lib\/(?:node|hooks)\//.test(path))

test('only lib/node/ and lib/hooks/ access private fields of Node', (t) => {
  // The linter finds socket._handle. The other forms: socket['_handle'], '_handle' in socket, const { _handle } =
  // socket, Reflect.get(socket, '_handle'), and the symbols behind which Node hides its state.
  const isReach = (node: ts.Node): boolean => {
    if (ts.isStringLiteralLike(node)) return isPrivateName(node.text) && isKey(node)
    if (ts.isPropertyAccessExpression(node))
      return isPrivateName(node.name.text) || node.name.text === 'getOwnPropertySymbols'
    if (!ts.isBindingElement(node) || !ts.isObjectBindingPattern(node.parent)) return false
    return isPrivateName((node.propertyName ?? node.name).getText())
  }
  t.deepEqual(findOutside([...NODE, 'lib/native/load.ts'], isReach), [])
})

test('ARCHITECTURE.md describes every module', (t) => {
  const text = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8')
  t.deepEqual(
    lib.map(({ path }) => path).filter((path) => !text.includes(`\`${path}\``)),
    [],
  )
})

test('index.ts contains only re-exports', (t) => {
  const text = readFileSync(join(root, 'index.ts'), 'utf8')
  const { statements } = ts.createSourceFile('index.ts', text, ts.ScriptTarget.ES2022, true)
  t.true(statements.length > 0)
  t.deepEqual(
    statements.filter((node) => !ts.isExportDeclaration(node)).map((node) => node.getText()),
    [],
  )
})

test('only crates/sys uses nix and libc, only crates/binding uses napi', (t) => {
  // Code used only by tests is not part of the product.
  const withoutTests = (text: string): string => text.replace(/^\[dev-dependencies\]\n(?:[^[].*\n|\n)*/m, '')
  const dependents = (crate: string): string[] =>
    manifests
      .map(({ path, text }) => ({ path, text: withoutTests(text) }))
      .filter(({ text }) => new RegExp(`^(?:${crate}\\b|.*dependencies\\.${crate}\\])`, 'm').test(text))
      .map(({ path }) => path)
  t.deepEqual(dependents('nix'), ['crates/sys/Cargo.toml'])
  t.deepEqual(dependents('napi'), ['crates/binding/Cargo.toml'])
  t.deepEqual(
    dependents('libc').filter((path) => path !== 'crates/sys/Cargo.toml'),
    [],
  )
})

test('crates/core depends on nothing', (t) => {
  const core = manifests.find(({ path }) => path === 'crates/core/Cargo.toml')
  t.truthy(core)
  t.notRegex(core?.text ?? '', /^\[(?:build-|target\..*\.)?dependencies/m)
  t.regex(rust.find(({ path }) => path === 'crates/core/src/lib.rs')?.text ?? '', /^#!\[no_std\]/m)
})

test('only crates/sys/src/platform/mod.rs has conditions on the operating system', (t) => {
  const mayChoose = (path: string): boolean => path === 'crates/sys/src/platform/mod.rs' || path.includes('/tests/')
  t.deepEqual(findInRust(mayChoose, /\btarget_(?:os|vendor)\b/), [])
})

test('only crates/sys and crates/binding contain unsafe', (t) => {
  const mayBeUnsafe = (path: string): boolean => /^crates\/(?:sys|binding)\//.test(path)
  t.deepEqual(findInRust(mayBeUnsafe, /\bunsafe\s*(?:\{|fn\b|impl\b|extern\b)/), [])
})

test('the quantum is the same in lib/options/sendfile.ts and crates/core', (t) => {
  const found = rust.filter(({ path }) => path.startsWith('crates/core/src/'))
  const [, one, shift] =
    /const DEFAULT_QUANTUM: u64 = (\d+) << (\d+);/.exec(found.map(({ text }) => text).join('')) ?? []
  t.is(Number(one) * 2 ** Number(shift), DEFAULT_QUANTUM)
})

test('the lock file names no registry, so that any mirror can be used', (t) => {
  const text = readFileSync(join(root, 'package-lock.json'), 'utf8')
  t.regex(text, /"integrity": "sha512-/)
  t.notRegex(text, /"resolved"/)
})

/** The string is the specifier of an import, an export or require(). */
function isSpecifier({ parent }: ts.Node): boolean {
  if (ts.isCallExpression(parent)) return /^(?:import|require)$/.test(parent.expression.getText())
  return ts.isImportDeclaration(parent) || ts.isExportDeclaration(parent)
}

/** The string is the name of a property that is read, tested or replaced. */
function isKey({ parent }: ts.Node): boolean {
  if (ts.isElementAccessExpression(parent) || ts.isComputedPropertyName(parent)) return true
  if (ts.isBinaryExpression(parent)) return parent.operatorToken.kind === ts.SyntaxKind.InKeyword
  return ts.isCallExpression(parent) && /^(?:Reflect|Object)\./.test(parent.expression.getText())
}
