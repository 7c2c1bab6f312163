// The page: one section for each entry, one heading for each name that it exports.
import { relative } from 'node:path'
import ts from 'typescript'

import { Comment, Undocumented } from './comment.mjs'
import { codeBlock, here, linkHeadings, section, slug, table } from './markdown.mjs'
import { Signatures } from './signatures.mjs'

/** A name with several declarations gets the first of these headings. */
const KINDS = [
  ['Functions', ({ symbol }) => symbol.flags & ts.SymbolFlags.Function],
  ['Classes', (one, signatures) => one.symbol.flags & ts.SymbolFlags.Class || signatures.constructs(one)],
  ['Constants', ({ symbol }) => symbol.flags & ts.SymbolFlags.Variable],
  ['Types', ({ symbol }) => symbol.flags & (ts.SymbolFlags.Interface | ts.SymbolFlags.TypeAlias)],
]

export class Page {
  #exports
  #codes
  #signatures

  constructor(exports) {
    this.#exports = exports
    this.#codes = new Map(exports.constants('lib/errors/sendfile-error.ts', 'ERROR_CODES'))
    this.#signatures = new Signatures(exports)
  }

  text() {
    const { entries } = this.#exports
    const parts = [
      '<!-- Written by `npm run docs` from the doc comments of what the entries export. Change those, not this. -->',
      '# API',
      `Every name that ${entries.map(({ specifier }) => `\`${specifier}\``).join(', ')} export${entries.length > 1 ? '' : 's'}. ` +
        'What it does where is in [platforms.md](platforms.md), what may go wrong in [errors.md](errors.md).',
      ...entries.flatMap((entry) => this.#entry(entry)),
      ...this.#errorCodes(),
    ]
    return linkHeadings(`${parts.join('\n\n')}\n`)
  }

  #entry(entry) {
    const about = this.#moduleComment(entry)
    const found = this.#exports.of(entry)
    const kindOf = (one) => KINDS.find(([, is]) => is(one, this.#signatures))
    const lost = found.find((one) => kindOf(one) === undefined)
    if (lost !== undefined) throw new Undocumented(`${lost.name}: exports of this kind cannot be documented`)
    const kinds = KINDS.map((kind) => [kind[0], found.filter((one) => kindOf(one) === kind)])
    const sections = kinds.flatMap(([, exports]) => exports.flatMap((one) => this.#export(one)))
    const overview = kinds
      .filter(([, exports]) => exports.length > 0)
      .map(([title, exports]) => `- ${title}: ${exports.map(({ name }) => `[\`${name}\`](${here(name)})`).join(', ')}`)
    return [section(2, `\`${entry.specifier}\``), about, overview.join('\n'), ...sections].filter(Boolean)
  }

  /** The comment at the top of the file of an entry, which belongs to no declaration. */
  #moduleComment({ source, specifier }) {
    const [first] = source.statements
    const said = first === undefined ? '' : this.#comment(first).text
    if (said === '')
      throw new Undocumented(`${relative('.', source.fileName)} (${specifier}) has no doc comment at its top`)
    return said
  }

  #export(one) {
    const parts = [
      ...this.#functions(one),
      ...one.declared(ts.isVariableDeclaration).flatMap((node) => this.#variable(one, node)),
      ...one.declared(ts.isClassDeclaration).flatMap((node) => this.#class(one, node)),
      ...this.#interfaces(one),
      ...one.declared(ts.isTypeAliasDeclaration).flatMap((node) => this.#alias(one, node)),
    ]
    return [section(3, one.name), ...parts.filter(Boolean)]
  }

  #functions(one) {
    const all = one.declared(ts.isFunctionDeclaration)
    if (all.length === 0) return []
    const overloads = all.filter((node) => node.body === undefined)
    return this.#callable(one.name, overloads.length > 0 ? overloads : all)
  }

  /** Signatures in one block, then their common text; the comment may be above any of them. */
  #callable(name, nodes) {
    const commented = nodes.find((node) => this.#comment(node).exists)
    const comment = this.#documented(commented ?? nodes[0], name)
    const parameters = [...new Set(nodes.flatMap((node) => node.parameters.map((one) => one.name.getText())))]
    const described = parameters.map((one) => [`\`${one}\``, comment.param(one)]).filter(([, text]) => text !== '')
    return [
      codeBlock(nodes.map((node) => this.#signatures.call(name, node)).join('\n')),
      comment.text,
      described.length > 0 ? table(['parameter', 'meaning'], described) : '',
      ...comment.tags('returns').map(({ text }) => `Returns ${text}.`),
      this.#throws(comment),
    ]
  }

  #throws(comment) {
    const tags = comment.tags('throws')
    if (tags.length === 0) return ''
    const lines = tags.map(({ type, text }) => `- ${type === undefined ? '' : `\`${type}\`: `}${text}`)
    return ['Throws, or rejects with:', '', ...lines].join('\n')
  }

  #variable(one, node) {
    const comment = this.#documented(node.parent.parent, one.name)
    return [codeBlock(this.#signatures.variable(one.name, node)), comment.text, this.#throws(comment)]
  }

  #class(one, node) {
    const comment = this.#documented(node, one.name)
    const members = node.members.filter((member) => this.#isPublic(member))
    const heritage = node.heritageClauses?.map((clause) => ` ${clause.getText()}`).join('') ?? ''
    return [codeBlock(`class ${one.name}${heritage}`), comment.text, ...this.#members(one, members)]
  }

  /** An interface may have several declarations. */
  #interfaces(one) {
    const nodes = one.declared(ts.isInterfaceDeclaration)
    if (nodes.length === 0) return []
    // beside a class, function or constant of the same name, the comment above that one is enough
    const alone = nodes.length === one.symbol.declarations.length
    const comment = alone ? this.#documented(nodes[0], one.name) : this.#comment(nodes[0])
    const [{ heritageClauses = [] }] = nodes
    const extended = heritageClauses.map((clause) => clause.types.map((type) => `\`${type.getText()}\``).join(', '))
    return [
      comment.text,
      extended.length > 0 ? `Has everything of ${extended.join(', ')}, and:` : '',
      ...this.#members(
        one,
        nodes.flatMap(({ members }) => Array.from(members)),
      ),
    ]
  }

  #alias(one, node) {
    const comment = this.#documented(node, one.name)
    if (ts.isTypeLiteralNode(node.type)) return [comment.text, ...this.#members(one, [...node.type.members])]
    const parameters = node.typeParameters?.map((one) => one.getText()).join(', ')
    const name = parameters === undefined ? one.name : `${one.name}<${parameters}>`
    return [codeBlock(`type ${name} = ${this.#signatures.type(node.type)}`), comment.text]
  }

  /** Fields as a table, methods below it. Overloads of one name belong together. */
  #members(one, members) {
    const seen = members.filter((member) => !this.#comment(member).has('internal'))
    const isCall = (member) => ts.isMethodSignature(member) || ts.isMethodDeclaration(member)
    // a getter documents its setter
    const isField = (member) => !ts.isConstructorDeclaration(member) && !ts.isSetAccessor(member)
    const fields = seen.filter((member) => !isCall(member) && isField(member))
    const names = [...new Set(seen.filter(isCall).map((member) => member.name.getText()))]
    const methods = names.flatMap((name) => {
      const overloads = seen.filter((member) => isCall(member) && member.name.getText() === name)
      return [section(4, `${one.name}.${name}`)].concat(this.#callable(name, overloads))
    })
    return [...this.#fields(one, fields), ...methods]
  }

  #fields(one, fields) {
    if (fields.length === 0) return []
    const rows = fields.map((node) => {
      const name = node.name?.getText() ?? node.getText()
      const comment = this.#documented(node, `${one.name}.${name}`)
      const [fallback] = comment.tags('default')
      const code = /^(?:[\d.]+|true|false|null|'[^']*')$/
      const shown = fallback === undefined ? '' : fallback.text.replace(code, '`$&`')
      const text = comment.text.replaceAll(/\n+/g, '<br>')
      return [`\`${name}${node.questionToken ? '?' : ''}\``, `\`${this.#signatures.field(node)}\``, shown, text]
    })
    const hasDefaults = rows.some(([, , fallback]) => fallback !== '')
    const chosen = hasDefaults ? rows : rows.map(([name, type, , text]) => [name, type, text])
    return [table(hasDefaults ? ['name', 'type', 'default', 'meaning'] : ['name', 'type', 'meaning'], chosen)]
  }

  #errorCodes() {
    const rows = [...this.#codes].map(([code, meaning]) => [`[\`${code}\`](errors.md#${slug(code)})`, meaning])
    return [
      section(2, 'Error codes'),
      'The codes of this package. Errors can also have codes of the kernel and of Node: see [errors.md](errors.md).',
      table(['code', 'meaning'], rows),
    ]
  }

  #isPublic(member) {
    const modifiers = ts.getCombinedModifierFlags(member)
    const hidden = ts.ModifierFlags.Private | ts.ModifierFlags.Protected
    return !(modifiers & hidden) && !(member.name && ts.isPrivateIdentifier(member.name))
  }

  #comment(node) {
    return new Comment(node, this.#exports, this.#codes)
  }

  #documented(node, name) {
    const comment = this.#comment(node)
    if (!comment.exists)
      throw new Undocumented(`${this.#exports.place(node)}: ${name} is public but has no doc comment`)
    return comment
  }
}
