// The loader of the WASI flavor and its runtime in one file: usage: node scripts/build/bundle-wasi.mjs LOADER OUT-FOLDER
// Unbundled, five packages of 3 MB would be installed for everyone; bundled they are some 200 KB.
import assert from 'node:assert/strict'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { brotliCompressSync } from 'node:zlib'

import { WASI, filesOf } from '../release/platforms.mjs'
import { Misused, program } from '../dev/program.mjs'
import { root } from '../dev/provision.mjs'

const wasm = filesOf(WASI)[1]

/** The .wasm is installed everywhere but rarely loaded: it is compressed. */
const compressed = {
  name: 'compressed',
  setup({ onLoad }) {
    onLoad({ filter: /\.wasip1\.cjs$/ }, ({ path }) => {
      const contents = readFileSync(path, 'utf8')
        .replaceAll(`'${basename(wasm, '.br')}'`, `'${wasm}'`)
        .replace('__nodeFs.readFileSync(__wasmFilePath)', "require('node:zlib').brotliDecompressSync($&)")
        // JavaScript reads files: preopened directories of WASI stay open when their thread ends
        .replace(/preopens: \{[^}]+\},/, '')
      assert.ok(!contents.includes('preopens'), 'the loader must not preopen directories')
      assert.ok(
        contents.includes(`'${wasm}'`) && contents.includes('brotliDecompressSync('),
        'the loader reads its .wasm',
      )
      return { contents }
    })
  },
}

/** Node's own WASI is used: the one written in JavaScript, which the runtime re-exports, is not. */
const withoutSecondWasi = {
  name: 'without-second-wasi',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^@tybys\/wasm-util$/ }, () => ({ path: 'no-wasi', namespace: 'absent' }))
    onLoad({ filter: /.*/, namespace: 'absent' }, () => ({ contents: 'export const WASI = undefined' }))
  },
}

await program(import.meta, { positionals: true }, async ({ positionals: [loader, folder] }) => {
  if (folder === undefined) throw new Misused('LOADER and OUT-FOLDER are expected')
  const outfile = join(folder, basename(loader))
  const { build } = await import('esbuild')
  const { metafile } = await build({
    entryPoints: [loader],
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20.19',
    minify: true,
    legalComments: 'none',
    // the loader requires it only if the .wasm is not next to it
    external: ['@sendfile64/binding-wasm32-wasip1'],
    plugins: [withoutSecondWasi, compressed],
    metafile: true,
    outfile,
  })

  writeFileSync(join(folder, wasm), brotliCompressSync(readFileSync(join(dirname(loader), basename(wasm, '.br')))))

  // Their licenses go into the package
  const found = new Set(
    Object.keys(metafile.inputs).flatMap(
      (path) => /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? [],
    ),
  )
  assert.deepEqual(
    [...found].toSorted(),
    WASI.bundled,
    'the bundled packages must be those in scripts/release/platforms.mjs',
  )
  for (const path of [outfile, join(folder, wasm)])
    console.log(`bundle-wasi: ${relative(root, path)}, ${statSync(path).size} bytes`)
})
