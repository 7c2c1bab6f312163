// The few forms of Markdown that the page is made of.

export function section(level, title) {
  return `${'#'.repeat(level)} ${title}`
}

export function codeBlock(code, language = 'ts') {
  return `\`\`\`${language}\n${code}\n\`\`\``
}

/** A pipe would end the cell, also inside of code. */
export function table(head, rows) {
  const line = (cells) => `| ${cells.map((cell) => cell.replaceAll('|', String.raw`\|`)).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

/** The anchor that GitHub makes of a heading. */
export function slug(heading) {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')
}

/** A link to a heading of the same page, whose anchor is known once all headings are there: see {@link linkHeadings}. */
export function here(name) {
  return `#!${name}`
}

/** Puts anchors in place of names. `support` and `Support` would have the same: GitHub numbers all but the first. */
export function linkHeadings(page) {
  const times = new Map()
  const anchors = new Map()
  for (const [, heading] of page.replaceAll(/^```.*?^```/gms, '').matchAll(/^#+ (.*)$/gm)) {
    const base = slug(heading)
    const before = times.get(base) ?? 0
    times.set(base, before + 1)
    if (!anchors.has(heading)) anchors.set(heading, before === 0 ? base : `${base}-${before}`)
  }
  return page.replaceAll(/\(#!([^)]+)\)/g, (_, name) => {
    if (!anchors.has(name)) throw new Error(`no heading ${name}`)
    return `(#${anchors.get(name)})`
  })
}
