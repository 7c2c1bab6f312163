// The Markdown elements of the page.

export function section(level, title) {
  return `${'#'.repeat(level)} ${title}`
}

export function codeBlock(code, language = 'ts') {
  return `\`\`\`${language}\n${code}\n\`\`\``
}

/** A pipe would end the cell, also inside code. */
export function table(head, rows) {
  const line = (cells) => `| ${cells.map((cell) => cell.replaceAll('|', String.raw`\|`)).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

/** The anchor that GitHub generates for a heading. */
export function slug(heading) {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')
}

/** A link to a heading of the same page, resolved when all headings are known: see {@link linkHeadings}. */
export function here(name) {
  return `#!${name}`
}

/** Replaces names by anchors. `support` and `Support` would have the same one: GitHub numbers all but the first. */
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
