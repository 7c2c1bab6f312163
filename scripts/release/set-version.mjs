// `npm run version:set -- 0.2.0`: sets the version of every package, every crate and the changelog.
// __test__/package/versions.spec.ts fails where they differ.
// `napi version` sets only npm/, not the crates, the lock files and the changelog.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { writeManifests } from './platforms.mjs'
import { Misused, Unprepared, program } from '../dev/program.mjs'
import { readJson, root } from '../dev/provision.mjs'

/** Rewrites a file; a pattern that no longer matches is an error, not a version left behind. */
function rewrite(path, pattern, replacement) {
  const file = join(root, path)
  const text = readFileSync(file, 'utf8')
  if (text.search(pattern) === -1) throw new Error(`${path}: no match for ${pattern}`)
  writeFileSync(file, text.replace(pattern, replacement))
}

function setVersion(version, today) {
  rewrite('package.json', /^( {2}"version": ")[^"]+/m, `$1${version}`)
  // the lock file has it for itself and for the root package
  rewrite('package-lock.json', /^(\{\n {2}"name": "sendfile64",\n {2}"version": ")[^"]+/, `$1${version}`)
  rewrite('package-lock.json', /("": \{\n {6}"name": "sendfile64",\n {6}"version": ")[^"]+/, `$1${version}`)
  rewrite('Cargo.toml', /(\[workspace\.package\]\nversion = ")[^"]+/, `$1${version}`)
  // the fuzz targets are a workspace of their own, never published
  for (const lock of ['Cargo.lock', 'fuzz/Cargo.lock'])
    rewrite(lock, /(name = "sendfile64-(?!fuzz)\w+"\nversion = ")[^"]+/g, `$1${version}`)
  rewrite('lib/native/version.ts', /(VERSION = ')[^']+/, `$1${version}`)
  rewrite('CHANGELOG.md', /^## (?:Unreleased|\S+ \(unreleased\))$/m, `## ${version} (${today})`)
  writeManifests()
}

await program(import.meta, { positionals: true }, ({ positionals: [version = ''] }) => {
  if (!/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version)) throw new Misused('a version is expected: 1.2.3 or 1.2.3-rc.1')
  if (!/^## (?:Unreleased|\S+ \(unreleased\))$/m.test(readFileSync(join(root, 'CHANGELOG.md'), 'utf8')))
    throw new Unprepared('CHANGELOG.md has no section "## Unreleased": add the changes for users first.')
  setVersion(version, new Date().toISOString().slice(0, 10))
  console.log(`${readJson('package.json').name} ${version}: check git diff, then commit and tag v${version}`)
})
