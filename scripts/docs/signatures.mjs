// Types and signatures as a user would write them.
import ts from 'typescript'

const FLAGS = ts.TypeFormatFlags.NoTruncation | ts.TypeFormatFlags.UseSingleQuotesForStringLiteralType

export class Signatures {
  #exports

  constructor(exports) {
    this.#exports = exports
  }

  /** `sendfile(destination: …, options?: …): Promise<…>`; broken into lines where one would be too long. */
  call(name, node) {
    const parameters = node.parameters.map((one) => this.#parameter(one))
    const generics = node.typeParameters?.map((one) => one.getText()).join(', ')
    const head = generics === undefined ? name : `${name}<${generics}>`
    const result = node.type === undefined ? this.#inferred(node) : this.type(node.type)
    const line = `${head}(${parameters.join(', ')}): ${result}`
    if (line.length <= 100) return line
    return `${head}(\n${parameters.map((one) => `  ${one},\n`).join('')}): ${result}`
  }

  /** Whether a constant is a function that makes instances: a class without the keyword. */
  constructs({ symbol }) {
    const { checker } = this.#exports
    const isConstant = symbol.flags & ts.SymbolFlags.Variable
    return isConstant && checker.getTypeOfSymbol(symbol).getConstructSignatures().length > 0
  }

  /** What can be called is shown by its calls, everything else by its type. */
  variable(name, node) {
    const type = this.#exports.checker.getTypeAtLocation(node)
    const made = type.getConstructSignatures().map((signature) => [`new ${name}`, signature])
    const called = type.getCallSignatures().map((signature) => [name, signature])
    const lines = [...made, ...called].map(([head, { declaration }]) => this.call(head, declaration))
    if (lines.length > 0) return lines.join('\n')
    return `const ${name}: ${node.type === undefined ? this.#print(node) : this.type(node.type)}`
  }

  /** The type of a property. That an optional one may be undefined goes without saying. */
  field(node) {
    if (node.type === undefined) return this.#print(node)
    const types = ts.isUnionTypeNode(node.type) ? node.type.types : [node.type]
    const isUndefined = ({ kind }) => kind === ts.SyntaxKind.UndefinedKeyword
    const said = node.questionToken ? types.filter((type) => !isUndefined(type)) : types
    const [only] = said
    if (said.length === 1) return this.type(ts.isParenthesizedTypeNode(only) ? only.type : only)
    return said.map((type) => this.type(type)).join(' | ')
  }

  /** A type as it is written, but names that nobody can import are replaced by what they stand for. */
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

  /** `keyof typeof X` is one thing: the object behind it says less than its keys. */
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
