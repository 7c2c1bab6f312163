// `npm start [dir]`: installs and builds what is missing, then serves a directory through sendfile().
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { program } from './program.mjs'
import { provision, root } from './provision.mjs'

await program(import.meta, { positionals: true }, async () => {
  provision()
  // In this process, not in a child: signals and the exit code are the server's own
  process.argv[1] = join(root, 'examples/serve.mjs')
  await import(pathToFileURL(process.argv[1]))
})
