// Doc comments as Markdown: the text of a comment and its tags.
import ts from 'typescript'

import { here, slug } from './markdown.mjs'

/** A public name without a doc comment, or a doc comment with a broken link. */
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

  /** The text above the tags, with paragraphs separated by an empty line. */
  get text() {
    return this.#markdown(this.#docs.at(-1)?.comment)
  }

  /** The texts of all tags of a name, each with its type if it has one: `@throws {TypeError} …`. */
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

  /** One line for each paragraph; lists keep their lines. */
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
      throw new Undocumented(`${this.#exports.place(this.#node)}: {@link ${name}} does not refer to an export`)
    const shown = part.text.replace(/^\s*\|?\s*/, '').trim()
    return `[${shown || `\`${name}\``}](${here(found.name)})`
  }

  /**
   * Error codes are code, and those of the package link to errors.md; `{TypeError}` in running text is code as well.
   */
  #codesLinked(text) {
    const token = new RegExp(`\`[^\`]*\`|${CODE.source}|\\{[A-Z]\\w+\\}`, 'g')
    return text.replaceAll(token, (found) => {
      const bare = found.replaceAll(/[`{}]/g, '')
      if (this.#codes.has(bare)) return `[\`${bare}\`](errors.md#${slug(bare)})`
      return found.startsWith('`') ? found : `\`${bare}\``
    })
  }
}
