/** Runs the C server in the place of a Node server: same arguments in front, same line on stdout, same end. */
import { spawn } from 'node:child_process'
import { buildNative } from '../native/build.mjs'

const child = spawn(buildNative().rawServer, process.argv.slice(2), { stdio: 'inherit' })
child.on('exit', (code) => process.exit(code ?? 1))
