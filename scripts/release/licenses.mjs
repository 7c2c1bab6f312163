// The licenses of everything linked or bundled into a package of npm/: every crate below crates/binding for its target,
// the standard library of Rust, and for the WASI flavor the npm packages in its bundle.
// Tools for crates (cargo-about) know neither Rust's own library nor npm packages, and both must be in one file.
// usage: node scripts/release/licenses.mjs TARGET   (prints THIRD-PARTY-LICENSES.txt)
import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { Misused, program } from '../dev/program.mjs'
import { readJson, root } from '../dev/provision.mjs'
import { WASI } from './platforms.mjs'

/** If a crate offers a choice, the first of these is chosen. */
const PREFERRED = ['MIT', 'Apache-2.0', 'ISC', 'Unicode-3.0']
/** Linked components that are not crates: each offers MIT. */
const TOOLCHAIN = [
  {
    name: 'the Rust standard library',
    license: 'MIT OR Apache-2.0',
    source: 'https://github.com/rust-lang/rust',
    texts: [],
  },
]
const WASI_TOOLCHAIN = [
  {
    name: 'wasi-libc',
    license: 'Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT',
    source: 'https://github.com/WebAssembly/wasi-libc',
    texts: [],
  },
]

/** Crates linked into the addon for `target`, without build scripts, macros and the crates of this repository. */
function crates(target) {
  const args = ['metadata', '--format-version=1', '--locked', '--filter-platform', target]
  const { packages, resolve } = JSON.parse(
    execFileSync('cargo', args, {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: 1 << 28,
      stdio: ['ignore', 'pipe', 'inherit'],
    }),
  )
  const byId = new Map(packages.map((found) => [found.id, found]))
  const nodes = new Map(resolve.nodes.map((node) => [node.id, node]))
  const linked = new Set()
  const visit = (id) => {
    if (linked.has(id) || byId.get(id).targets.some(({ kind }) => kind.includes('proc-macro'))) return
    linked.add(id)
    for (const { pkg, dep_kinds: kinds } of nodes.get(id).deps) if (kinds.some(({ kind }) => kind === null)) visit(pkg)
  }
  visit(packages.find(({ name }) => name === 'sendfile64-binding').id)
  return [...linked]
    .map((id) => byId.get(id))
    .filter(({ source }) => source !== null)
    .map(({ name, version, license, repository, manifest_path: manifest }) =>
      component(name, version, license, repository, dirname(manifest)),
    )
}

/** The npm packages of the WASI flavor. */
function bundledPackages() {
  return [...WASI.bundled, 'emnapi'].map((name) => {
    const folder = join(root, 'node_modules', name)
    const { version, license, repository } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    return component(name, version, license, repository?.url ?? repository, folder)
  })
}

function component(name, version, license, source, folder) {
  const chosen = PREFERRED.find((known) => license?.split(/\s+OR\s+|\/|\(|\)/).includes(known))
  if (chosen === undefined)
    throw new Error(`${name} ${version} has the license '${license}': deny.toml allows ${PREFERRED}`)
  const files = readdirSync(folder).filter((file) => /^(?:licen[cs]e|copying|unlicense)/i.test(file))
  const ofChosen = files.filter((file) => new RegExp(chosen.split('-')[0], 'i').test(file))
  const texts = (ofChosen.length > 0 ? ofChosen : files).map((file) => readFileSync(join(folder, file), 'utf8').trim())
  return { name, version, license, source, texts }
}

/** The text of the file; components with the same license text share it. */
export function thirdPartyLicenses(target) {
  const forWasi = target === WASI.target
  const toolchain = [...TOOLCHAIN, ...(forWasi ? WASI_TOOLCHAIN : [])]
  const components = [...crates(target), ...(forWasi ? bundledPackages() : []), ...toolchain]
  const groups = new Map()
  const bare = components.filter(({ texts }) => texts.length === 0)
  for (const found of components) {
    for (const text of found.texts) groups.set(text, [...(groups.get(text) ?? []), found])
  }
  const line = ({ name, version, license, source }) =>
    `- ${name}${version ? ` ${version}` : ''} (${license}), ${source}`
  const sections = [...groups].map(([text, found]) => `${found.map(line).join('\n')}\n\n${text}\n`)
  if (bare.length > 0) {
    const mit = readFileSync(join(root, 'LICENSE'), 'utf8').split('\n').slice(4).join('\n').trim()
    const notMit = bare.filter(({ license }) => !/\bMIT\b/.test(license))
    if (notMit.length > 0) throw new Error(`no license text for ${notMit.map(({ name }) => name).join(', ')}`)
    sections.push(
      `${bare.map(line).join('\n')}\n\nCopyright (c) their authors, under the terms of the MIT license:\n\n${mit}\n`,
    )
  }
  const { name } = readJson('package.json')
  return `Parts of other works in this package of ${name}, and their licenses.\n\n${sections.join(`\n${'-'.repeat(80)}\n\n`)}`
}

await program(import.meta, { positionals: true }, ({ positionals: [target] }) => {
  if (target === undefined) throw new Misused('one TARGET is expected')
  process.stdout.write(thirdPartyLicenses(target))
})
