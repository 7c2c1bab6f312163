// `npm run setup`: what every other script needs of a fresh clone: a Node that is new enough, and the npm packages.
import { installPackages, main, requireNode } from './provision.mjs'

await main(() => {
  requireNode()
  installPackages()
  return 0
})
