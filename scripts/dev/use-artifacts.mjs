// `npm run use-artifacts`: takes the prebuilt addon of this platform from target/artifacts, as if it had been built
// here, and builds dist/. For tests of the published files on machines without Rust.
// Not `napi artifacts`: it fails unless there is an artifact for every target.
import { copyFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

import { Unprepared, program } from './program.mjs'
import { root, runNpm } from './provision.mjs'

await program(import.meta, {}, () => {
  const artifacts = join(root, 'target/artifacts')
  const prefix = `sendfile64.${process.platform}-${process.arch}`
  const wanted = (name) => name.startsWith(prefix) || /\.(?:wasm\.br|wasip1\.cjs)$/.test(name)
  const found = readdirSync(artifacts).filter(wanted)
  if (found.length === 0)
    throw new Unprepared(`${artifacts} contains no binding for ${process.platform}-${process.arch}.`)
  for (const name of found) copyFileSync(join(artifacts, name), join(root, name))
  console.log(`use-artifacts: ${found.join(', ')}`)
  return runNpm(['run', '--silent', 'build:ts'])
})
