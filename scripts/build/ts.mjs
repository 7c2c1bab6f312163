// `npm run build:ts`: builds dist/ from scratch, so that no file of a removed module remains.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { writeCommonJsEntries } from './cjs-entry.mjs'
import { program } from '../dev/program.mjs'
import { readJson, root, run } from '../dev/provision.mjs'

await program(import.meta, {}, () => {
  rmSync(join(root, 'dist'), { recursive: true, force: true })
  const code = run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'])
  if (code === 0) writeCommonJsEntries(join(root, 'dist'), readJson('package.json'))
  return code
})
