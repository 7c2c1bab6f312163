// Types and signatures in the form a user would write.
import ts from 'typescript'

const FLAGS = ts.TypeFormatFlags.NoTruncation | ts.TypeFormatFlags.UseSingleQuotesForStringLiteralType

export class Signatures {
  #exports

  constructor(exports) {
    this.#exports = exports
  }

  /** `sendfile(destination: …, options?: …): Promise<…>`; split into lines if one would be too long. */
  call(name, node) {
    const parameters = node.parameters.map((one) => this.#parameter(one))
    const generics = node.typeParameters?.map((one) => one.getText()).join(', ')
    const head = generics === undefined ? name : `${name}<${generics}>`
    const result = node.type === undefined ? this.#inferred(node) : this.type(node.type)
    const line = `${head}(${parameters.join(', ')}): ${result}`
    if (line.length <= 100) return line
    return `${head}(\n${parameters.map((one) => `  ${one},\n`).join('')}): ${result}`
  }

  /** Whether a constant is a constructor: a class without the keyword. */
  constructs({ symbol }) {
    const { checker } = this.#exports
    const isConstant = symbol.flags & ts.SymbolFlags.Variable
    return isConstant && checker.getTypeOfSymbol(symbol).getConstructSignatures().length > 0
  }

  /** Callable values are shown by their signatures, others by their type. */
  variable(name, node) {
    const type = this.#exports.checker.getTypeAtLocation(node)
    const made = type.getConstructSignatures().map((signature) => [`new ${name}`, signature])
    const called = type.getCallSignatures().map((signature) => [name, signature])
    const lines = [...made, ...called].map(([head, { declaration }]) => this.call(head, declaration))
    if (lines.length > 0) return lines.join('\n')
    return `const ${name}: ${node.type === undefined ? this.#print(node) : this.type(node.type)}`
  }

  /** The type of a property, without `undefined` for an optional one. */
  field(node) {
    if (node.type === undefined) return this.#print(node)
    const types = ts.isUnionTypeNode(node.type) ? node.type.types : [node.type]
    const isUndefined = ({ kind }) => kind === ts.SyntaxKind.UndefinedKeyword
    const said = node.questionToken ? types.filter((type) => !isUndefined(type)) : types
    const [only] = said
    if (said.length === 1) return this.type(ts.isParenthesizedTypeNode(only) ? only.type : only)
    return said.map((type) => this.type(type)).join(' | ')
  }

  /** A type as written, with names that are not exported replaced by their definition. */
  type(node) {
    const start = node.getStart()
    const spans = []
    const visit = (one) => {
      if (this.#meansHidden(one)) spans.push([one, this.#expand(one)])
      else one.forEachChild(visit)
    }
    visit(node)
    let text = node.getText()
    for (const [one, instead] of spans.toReversed())
      text = text.slice(0, one.getStart() - start) + instead + text.slice(one.end - start)
    return text.replaceAll(/\s+/g, ' ').replace(/^\| /, '')
  }

  /** `keyof typeof X` is resolved as a whole to the keys of the object. */
  #meansHidden(node) {
    if (ts.isTypeOperatorNode(node)) return ts.isTypeQueryNode(node.type) && this.#meansHidden(node.type)
    const name = ts.isTypeReferenceNode(node) ? node.typeName : ts.isTypeQueryNode(node) ? node.exprName : undefined
    const meant = name === undefined ? undefined : this.#exports.resolve(name)
    return meant !== undefined && this.#isHidden(meant)
  }

  #isHidden(symbol) {
    const isParameter = symbol.flags & ts.SymbolFlags.TypeParameter
    return !isParameter && this.#exports.isOurs(symbol) && !this.#exports.bySymbol.has(symbol)
  }

  #expand(node) {
    const { checker } = this.#exports
    return checker.typeToString(checker.getTypeFromTypeNode(node), undefined, FLAGS | ts.TypeFormatFlags.InTypeAlias)
  }

  #parameter(node) {
    const rest = node.dotDotDotToken ? '...' : ''
    const optional = node.questionToken || node.initializer ? '?' : ''
    return `${rest}${node.name.getText()}${optional}: ${node.type === undefined ? this.#print(node) : this.type(node.type)}`
  }

  #print(node) {
    const { checker } = this.#exports
    return checker.typeToString(checker.getTypeAtLocation(node), node, FLAGS)
  }

  #inferred(node) {
    const { checker } = this.#exports
    return checker.typeToString(
      checker.getReturnTypeOfSignature(checker.getSignatureFromDeclaration(node)),
      node,
      FLAGS,
    )
  }
}
