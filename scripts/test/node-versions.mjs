// `npm run test:node-versions [-- VERSION ...]`: runs the whole TypeScript suite on Node 20, 22, 24 and the newest.
import { dirname } from 'node:path'

import { NODE_VERSIONS, nodeBinary } from '../dev/node-binaries.mjs'
import { program } from '../dev/program.mjs'
import { heading, provision, run } from '../dev/provision.mjs'

await program(import.meta, { positionals: true }, ({ positionals }) => {
  provision()
  const versions = positionals.length > 0 ? positionals : NODE_VERSIONS
  const failed = versions.filter((version) => {
    heading(`TypeScript suite on Node ${version}`)
    const node = nodeBinary(version)
    // tests start further processes, some by the name `node`
    const env = { PATH: `${dirname(node)}:${process.env.PATH}` }
    return run(node, ['node_modules/ava/entrypoints/cli.mjs'], env) !== 0
  })
  heading(failed.length === 0 ? `passed on ${versions.join(', ')}` : `FAILED on ${failed.join(', ')}`)
  return failed.length === 0 ? 0 : 1
})
