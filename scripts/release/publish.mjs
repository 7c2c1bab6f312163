// Publishes target/packages in order: usage: node scripts/release/publish.mjs TAG [--dry-run]
// Run by .github/workflows/release.yml, whose identity npm trusts, without a token. Published packages are skipped, so
// that an interrupted release can be repeated.
// Not `napi pre-publish`: it packs again, so that the published files would not be the tarballs that were checked.
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { Unprepared, program } from '../dev/program.mjs'
import { readJson, root, satisfies } from '../dev/provision.mjs'

/** The first version of npm that publishes with the identity of a workflow. */
const NPM = '11.5.1'

function requireRelease(tag, version) {
  if (tag !== `v${version}`) throw new Unprepared(`The tag is ${tag}, but the version of the packages is ${version}.`)
  const heading = new RegExp(`^## ${version.replaceAll('.', '\\.')} \\(\\d{4}-\\d{2}-\\d{2}\\)$`, 'm')
  if (!heading.test(readFileSync(join(root, 'CHANGELOG.md'), 'utf8')))
    throw new Unprepared(`CHANGELOG.md has no dated section for ${version}: npm run version:set -- ${version}`)
  const npm = execFileSync('npm', ['--version'], { encoding: 'utf8' }).trim()
  if (!satisfies(npm, `>=${NPM}`))
    throw new Unprepared(`npm ${npm} cannot publish without a token: ${NPM} or newer is needed.`)
}

function isPublished(name, version) {
  const { status, stdout } = spawnSync('npm', ['view', `${name}@${version}`, 'version'], { encoding: 'utf8' })
  return status === 0 && stdout.trim() === version
}

const OPTIONS = { 'dry-run': { type: 'boolean', default: false } }

await program(import.meta, { options: OPTIONS, positionals: true }, ({ values, positionals }) => {
  const { version } = readJson('package.json')
  requireRelease(positionals[0], version)
  const packages = readJson('target/packages/packages.json')
  const incomplete = packages.filter(({ complete }) => !complete).map(({ name }) => name)
  if (incomplete.length > 0) throw new Unprepared(`Packages without their addon: ${incomplete.join(', ')}`)
  const args = ['--access', 'public', '--tag', version.includes('-') ? 'next' : 'latest']
  for (const { name, tarball } of packages) {
    if (isPublished(name, version)) {
      console.log(`${name}@${version} is already published`)
      continue
    }
    const flags = values['dry-run'] ? ['--dry-run', '--provenance=false'] : ['--provenance']
    execFileSync('npm', ['publish', tarball, ...args, ...flags], { cwd: root, stdio: 'inherit' })
  }
  return 0
})
