// `npm run setup`: prepares a fresh clone for the other scripts: checks the version of Node and installs the npm
// packages.
import { program } from './program.mjs'
import { installPackages, requireNode } from './provision.mjs'

await program(import.meta, {}, () => {
  requireNode()
  installPackages()
  return 0
})
