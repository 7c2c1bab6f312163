// What the entries of the package export, as the TypeScript compiler sees it.
import { existsSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import ts from 'typescript'

import { readJson } from '../dev/provision.mjs'
import { Undocumented } from './comment.mjs'

/** One name that an entry exports. */
class Export {
  constructor(name, symbol, entry) {
    this.name = name
    this.symbol = symbol
    this.entry = entry
  }

  /** The declarations of one kind: a name can be a function and an interface at once. */
  declared(is) {
    return (this.symbol.declarations ?? []).filter(is)
  }
}

export class Exports {
  #root
  #program

  constructor(root) {
    this.#root = root
    this.package = readJson('package.json')
    this.entries = entriesOf(root, this.package)
    this.#program = programOf(
      root,
      this.entries.map(({ file }) => file),
    )
    this.checker = this.#program.getTypeChecker()
    /** Exports by symbol, under the name of the first entry that has them. */
    this.bySymbol = new Map()
    for (const entry of this.entries) this.#collect(entry)
    this.byName = new Map([...this.bySymbol.values()].map((found) => [found.name, found]))
  }

  /** What an entry exports and no entry before it. */
  of(entry) {
    return [...this.bySymbol.values()].filter((found) => found.entry === entry)
  }

  /** The symbol of a name at `node`, with imports resolved. */
  resolve(node) {
    const symbol = this.checker.getSymbolAtLocation(node)
    return symbol === undefined ? undefined : this.#origin(symbol)
  }

  /** The export that a {@link} refers to; for `SendfileOptions.signal`, the one with this member. */
  find(name) {
    if (name === undefined) return undefined
    if (!ts.isQualifiedName(name)) return this.bySymbol.get(this.resolve(name)) ?? this.byName.get(name.getText())
    const owner = this.find(name.left)
    const type = owner && this.checker.getDeclaredTypeOfSymbol(owner.symbol)
    return type?.getProperty(name.right.text) === undefined ? undefined : owner
  }

  /** Whether a symbol is declared here, not by Node or TypeScript. */
  isOurs(symbol) {
    const files = (symbol.declarations ?? []).map((node) => node.getSourceFile().fileName)
    return files.some((name) => name.startsWith(this.#root) && !name.includes('/node_modules/'))
  }

  /** `lib/errors/sendfile-error.ts:12`, for messages. */
  place(node) {
    const file = node.getSourceFile()
    const { line } = file.getLineAndCharacterOfPosition(node.getStart())
    return `${relative(this.#root, file.fileName).split(sep).join('/')}:${line + 1}`
  }

  /** The properties of a constant object of a module: `ERROR_CODES` of lib/errors/sendfile-error.ts. */
  constants(path, name) {
    const file = this.#program.getSourceFile(join(this.#root, path))
    const found = file?.statements
      .filter(ts.isVariableStatement)
      .flatMap(({ declarationList }) => declarationList.declarations)
      .find((declaration) => declaration.name.getText() === name)
    const literal =
      found?.initializer && ts.isAsExpression(found.initializer) ? found.initializer.expression : undefined
    if (literal === undefined || !ts.isObjectLiteralExpression(literal))
      throw new Undocumented(`${path} has no constant object ${name}`)
    return literal.properties.map(({ name, initializer }) => [name.getText(), initializer.text])
  }

  #collect(entry) {
    const file = this.#program.getSourceFile(entry.file)
    const module = file && this.checker.getSymbolAtLocation(file)
    // a module that exports nothing is a side effect with a doc comment: sendfile64/register
    const symbols = module === undefined ? [] : this.checker.getExportsOfModule(module)
    entry.source = file
    for (const symbol of symbols) {
      const origin = this.#origin(symbol)
      if (!this.bySymbol.has(origin)) this.bySymbol.set(origin, new Export(symbol.name, origin, entry))
    }
  }

  #origin(symbol) {
    return symbol.flags & ts.SymbolFlags.Alias ? this.checker.getAliasedSymbol(symbol) : symbol
  }
}

/** `./http` of package.json's exports is http.ts; exports that are not modules (package.json) are omitted. */
function entriesOf(root, { name, exports }) {
  const entries = Object.entries(exports)
    .filter(([, target]) => typeof target === 'object')
    .map(([subpath, target]) => {
      const module = (target.import ?? target).default ?? target.import
      const file = join(root, module.replace(/^\.\/dist\//, '').replace(/\.js$/, '.ts'))
      if (!existsSync(file)) throw new Undocumented(`package.json exports ${subpath}, but ${file} does not exist`)
      return { specifier: join(name, subpath), file }
    })
  if (entries.length === 0) throw new Undocumented('package.json has no module in its exports')
  return entries
}

function programOf(root, files) {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile)
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root)
  return ts.createProgram(files, options)
}
