// Doc comments as Markdown: what a comment says, and the tags under it.
import ts from 'typescript'

import { here, slug } from './markdown.mjs'

/** Something that users can see has no doc comment, or one that leads nowhere. */
export class Undocumented extends Error {}

const CODE = /(?:ERR_[A-Z][A-Z_]*[A-Z]|ABORT_ERR)/

/** The comment of one declaration. */
export class Comment {
  #exports
  #codes
  #node
  #docs

  constructor(node, exports, codes) {
    this.#exports = exports
    this.#codes = codes
    this.#node = node
    this.#docs = ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc)
  }

  get exists() {
    return this.text !== ''
  }

  /** The text above the tags, its paragraphs apart by an empty line. */
  get text() {
    return this.#markdown(this.#docs.at(-1)?.comment)
  }

  /** The texts of all tags of a name, each with its type where it has one: `@throws {TypeError} …`. */
  tags(name) {
    const tags = this.#docs.at(-1)?.tags ?? []
    return tags.filter(({ tagName }) => tagName.text === name).map((tag) => this.#tag(tag))
  }

  has(name) {
    return (this.#docs.at(-1)?.tags ?? []).some(({ tagName }) => tagName.text === name)
  }

  /** The text of `@param name`. */
  param(name) {
    const tags = this.#docs.at(-1)?.tags ?? []
    const tag = tags.find((tag) => ts.isJSDocParameterTag(tag) && tag.name.getText() === name)
    return tag === undefined ? '' : this.#tag(tag).text.replace(/^- /, '')
  }

  #tag(tag) {
    const type = tag.typeExpression?.type.getText()
    return { type, text: this.#markdown(tag.comment) }
  }

  #markdown(comment) {
    if (comment === undefined) return ''
    const parts = typeof comment === 'string' ? [comment] : comment.map((part) => this.#part(part))
    const flowing = parts
      .join('')
      .trim()
      .replaceAll(/\n{2,}/g, '\u2029')
    return flowing
      .split('\u2029')
      .map((paragraph) => this.#paragraph(paragraph))
      .join('\n\n')
  }

  /** One line for each paragraph, but lists keep theirs. */
  #paragraph(text) {
    const lines = text.replaceAll(/[ \t]*\n(?!\s*(?:[-*]|\d+\.) )\s*/g, ' ').split('\n')
    return lines.map((line) => this.#codesLinked(line)).join('\n')
  }

  #part(part) {
    if (part.kind === ts.SyntaxKind.JSDocText) return part.text
    const name = part.name?.getText() ?? ''
    const found = this.#exports.find(part.name)
    // {@link https://…} is parsed as a name `https` and the text `://…`
    if (found === undefined && part.text.startsWith('://')) return `<${name}${part.text.trim()}>`
    if (found === undefined)
      throw new Undocumented(`${this.#exports.place(this.#node)}: {@link ${name}} leads to nothing that is exported`)
    const shown = part.text.replace(/^\s*\|?\s*/, '').trim()
    return `[${shown || `\`${name}\``}](${here(found.name)})`
  }

  /** Codes are code, and ours lead to what errors.md says of them; `{TypeError}` in running text is code as well. */
  #codesLinked(text) {
    const token = new RegExp(`\`[^\`]*\`|${CODE.source}|\\{[A-Z]\\w+\\}`, 'g')
    return text.replaceAll(token, (found) => {
      const bare = found.replaceAll(/[`{}]/g, '')
      if (this.#codes.has(bare)) return `[\`${bare}\`](errors.md#${slug(bare)})`
      return found.startsWith('`') ? found : `\`${bare}\``
    })
  }
}
