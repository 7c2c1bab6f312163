// The packages of npm/, one for each target: their manifests are made from package.json and this table.
// usage: node scripts/release/platforms.mjs   (writes npm/*/package.json and README.md)
// Not `napi create-npm-dirs`: it needs a registry, and makes the runtime of WASI, which is bundled here, a dependency.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { program } from '../dev/program.mjs'
import { readJson, root } from '../dev/provision.mjs'

const SCOPE = '@sendfile64/binding'

/** The WASI flavor has no `cpu` and `os`: it is for platforms without an addon. */
export const WASI = {
  tuple: 'wasm32-wasip1',
  target: 'wasm32-wasip1',
  called: 'WASI (any platform)',
  /** The npm packages in its loader, held by scripts/build/bundle-wasi.mjs; `emnapi` is linked into the .wasm. */
  bundled: ['@emnapi/core', '@emnapi/runtime', '@emnapi/wasi-threads', '@napi-rs/wasm-runtime'],
}

export const NATIVE = [
  addon('x86_64-unknown-linux-gnu', 'Linux x64, glibc 2.17', 'linux', 'x64', 'glibc'),
  addon('aarch64-unknown-linux-gnu', 'Linux arm64, glibc 2.17', 'linux', 'arm64', 'glibc'),
  addon('x86_64-unknown-linux-musl', 'Linux x64, musl', 'linux', 'x64', 'musl'),
  addon('aarch64-unknown-linux-musl', 'Linux arm64, musl', 'linux', 'arm64', 'musl'),
  addon('x86_64-apple-darwin', 'macOS x64', 'darwin', 'x64'),
  addon('aarch64-apple-darwin', 'macOS arm64', 'darwin', 'arm64'),
  addon('x86_64-unknown-freebsd', 'FreeBSD x64', 'freebsd', 'x64'),
]

export const PLATFORMS = [...NATIVE, WASI]

/** The tuple is that of the addon files, in which glibc is called gnu. */
function addon(target, called, os, cpu, libc) {
  const suffix = libc === undefined ? '' : `-${libc === 'glibc' ? 'gnu' : libc}`
  return { target, called, os, cpu, libc, tuple: `${os}-${cpu}${suffix}` }
}

export const nameOf = ({ tuple }) => `${SCOPE}-${tuple}`

/** The files of the package beside its manifest, README and licenses. The first is its entry. */
export const filesOf = ({ tuple }) =>
  tuple === WASI.tuple ? ['sendfile64.wasip1.cjs', 'sendfile64.wasm32-wasip1.wasm.br'] : [`sendfile64.${tuple}.node`]

/** The manifest of npm/<tuple>. */
export function manifestOf(platform, { version, license, author, repository, bugs, homepage, engines, publishConfig }) {
  const { os, cpu, libc, called } = platform
  const [main] = filesOf(platform)
  return {
    name: nameOf(platform),
    version,
    description: `The binding of sendfile64 for ${called}. Install sendfile64 instead`,
    license,
    author,
    repository: { ...repository, directory: `npm/${platform.tuple}` },
    bugs,
    homepage,
    engines,
    ...(os && { os: [os], cpu: [cpu] }),
    ...(libc && { libc: [libc] }),
    main,
    files: [...filesOf(platform), 'THIRD-PARTY-LICENSES.txt'],
    publishConfig,
  }
}

export function writeManifests() {
  const manifest = readJson('package.json')
  for (const platform of PLATFORMS) {
    const folder = join(root, 'npm', platform.tuple)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifestOf(platform, manifest), null, 2)}\n`)
    writeFileSync(
      join(folder, 'README.md'),
      `# ${nameOf(platform)}\n\nThe binding of [sendfile64](https://www.npmjs.com/package/sendfile64) for ${platform.called}.\n` +
        'It is installed with `sendfile64`; there is nothing to use in it by itself.\n',
    )
  }
}

await program(import.meta, {}, () => writeManifests())
