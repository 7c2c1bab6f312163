// `npm run pack`: packs the packages as published into target/packages: the root and those of npm/.
// usage: node scripts/release/pack.mjs [--partial]
// Addons come from target/artifacts (`npm run build:all`, or collected by the workflow), the WASI flavor from
// `npm run build:wasi`. With --partial, packages without their addon are packed empty, for tests on a machine that
// cannot build them all.
// Not `napi pre-publish`: it would rewrite package.json in place, and put the .wasm into the root package as well.
import { execFileSync } from 'node:child_process'
import { copyFileSync, cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { thirdPartyLicenses } from './licenses.mjs'
import { PLATFORMS, NATIVE, WASI, filesOf, nameOf } from './platforms.mjs'
import { Unprepared, program } from '../dev/program.mjs'
import { heading, readJson, root, runNpm } from '../dev/provision.mjs'

let partial = false
const staging = join(root, 'target/packages')

/** Maximum unpacked size of a package, in bytes. */
const limitOf = (platform) => (platform === undefined ? 800_000 : platform === WASI ? 400_000 : 1_500_000)

/** Only fields that an installed package needs stay in the manifest of the root. */
function rootManifest() {
  const { scripts: _, devDependencies: __, ava: ___, napi: ____, ...manifest } = readJson('package.json')
  const { version } = manifest
  return {
    ...manifest,
    dependencies: { ...manifest.dependencies, [nameOf(WASI)]: version },
    optionalDependencies: Object.fromEntries(NATIVE.map((platform) => [nameOf(platform), version])),
  }
}

function stageRoot() {
  const folder = join(staging, 'sendfile64')
  mkdirSync(folder, { recursive: true })
  for (const name of ['dist', 'binding.d.cts', 'README.md', 'CHANGELOG.md', 'LICENSE'])
    cpSync(join(root, name), join(folder, name), { recursive: true })
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(rootManifest(), null, 2)}\n`)
  return folder
}

/** A build of this machine needs the C library of this machine, which is sufficient for a test. */
function placeOf(platform) {
  const artifacts = join(root, 'target/artifacts')
  const [file] = filesOf(platform)
  return platform === WASI || (partial && !existsSync(join(artifacts, file))) ? root : artifacts
}

/** Assembles the folder of a package. */
function stage(platform) {
  const source = join(root, 'npm', platform.tuple)
  const folder = join(staging, platform.tuple)
  const built = placeOf(platform)
  const missing = filesOf(platform).filter((file) => !existsSync(join(built, file)))
  if (missing.length > 0 && !partial)
    throw new Unprepared(`${missing.join(', ')} is not in ${built}: build it, or pack without it by --partial.`)
  mkdirSync(folder, { recursive: true })
  for (const name of ['package.json', 'README.md']) copyFileSync(join(source, name), join(folder, name))
  copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'))
  if (missing.length > 0) return { platform, folder, complete: false }
  for (const file of filesOf(platform)) copyFileSync(join(built, file), join(folder, file))
  writeFileSync(join(folder, 'THIRD-PARTY-LICENSES.txt'), thirdPartyLicenses(platform.target))
  return { platform, folder, complete: true }
}

/** `npm pack` gives every entry the same date and owner: the same files make the same tarball. */
function pack(folder, limit, complete) {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', staging]
  const [found] = JSON.parse(execFileSync('npm', args, { cwd: folder, encoding: 'utf8' }))
  const tarball = join(staging, found.filename)
  const { size, unpackedSize } = found
  if (unpackedSize > limit) throw new Error(`${found.name}: ${unpackedSize} bytes unpacked, more than ${limit}`)
  return { name: found.name, packed: size, unpacked: unpackedSize, files: found.files.length, tarball, complete }
}

await program(import.meta, { options: { partial: { type: 'boolean', default: false } } }, ({ values }) => {
  partial = values.partial
  if (runNpm(['run', '--silent', 'build:ts']) !== 0) return 1
  rmSync(staging, { recursive: true, force: true })
  const staged = PLATFORMS.map(stage)
  // those of npm/ first: the root must never depend on a package that is not published
  const rows = staged.map(({ platform, folder, complete }) => pack(folder, limitOf(platform), complete))
  rows.push(pack(stageRoot(), limitOf(), true))
  writeFileSync(join(staging, 'packages.json'), JSON.stringify(rows, null, 2))
  heading(`packages in ${staging}`)
  for (const { name, packed, unpacked, files, complete } of rows) {
    const figures = `${`${packed}`.padStart(8)} packed ${`${unpacked}`.padStart(8)} unpacked, ${files} files`
    console.log(`${name.padEnd(40)}${figures}${complete ? '' : ', WITHOUT ITS ADDON: must not be published'}`)
  }
  return 0
})
