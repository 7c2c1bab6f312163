// Every relative link and every anchor of the documentation has a target.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import test from 'ava'

const root = new URL('../..', import.meta.url)
const docs = readdirSync(new URL('docs/', root), { recursive: true, encoding: 'utf8' })
const pages = [
  'README.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  ...docs.filter((name) => name.endsWith('.md')).map((name) => `docs/${name.replaceAll('\\', '/')}`),
]

/** A page without its code, which may contain text that looks like a link. */
function read(url: URL): string {
  return readFileSync(url, 'utf8').replaceAll(/^```.*?^```/gms, '')
}

/** The anchors that GitHub gives the headings of a page; it numbers the second and later of a name. */
function anchorsOf(url: URL): Set<string> {
  const anchors = new Set<string>()
  for (const [, heading = ''] of read(url).matchAll(/^#+ (.*)$/gm)) {
    const plain = heading.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    const slug = plain.replaceAll(' ', '-')
    let numbered = slug
    for (let times = 1; anchors.has(numbered); times += 1) numbered = `${slug}-${times}`
    anchors.add(numbered)
  }
  return anchors
}

/** The problem of a link of `page`, or `undefined`. */
function problem(page: URL, link: string): string | undefined {
  const target = new URL(link, page)
  const path = new URL(target.pathname, root)
  if (!existsSync(path)) return `${link}: there is no such file`
  const anchor = target.hash.slice(1)
  if (anchor === '' || !path.pathname.endsWith('.md') || anchorsOf(path).has(anchor)) return undefined
  return `${link}: there is no such heading`
}

for (const page of pages) {
  test(`the links of ${page}`, (t) => {
    const url = new URL(page, root)
    const links = [...read(url).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link)
    const relative = links.filter((link) => !/^[a-z]+:/.test(link))
    t.deepEqual(
      relative.flatMap((link) => problem(url, link) ?? []),
      [],
    )
  })
}

test('the README links to every page directly in docs/', (t) => {
  const readme = read(new URL('README.md', root))
  t.true(docs.length >= 6)
  t.deepEqual(
    pages.filter((page) => page.startsWith('docs/') && !readme.includes(`](${page})`)),
    [],
  )
})
