// `npm run setup`: what every other script needs of a fresh clone: a Node that is new enough, and the npm packages.
import { program } from './program.mjs'
import { installPackages, requireNode } from './provision.mjs'

await program(import.meta, {}, () => {
  requireNode()
  installPackages()
  return 0
})
