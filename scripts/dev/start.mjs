// `npm start [dir]`: installs and builds if necessary, then serves a directory through sendfile().
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { program } from './program.mjs'
import { provision, root } from './provision.mjs'

await program(import.meta, { positionals: true }, async () => {
  provision()
  // In this process, not in a child, so that signals and the exit code are those of the server
  process.argv[1] = join(root, 'examples/serve.mjs')
  await import(pathToFileURL(process.argv[1]))
})
