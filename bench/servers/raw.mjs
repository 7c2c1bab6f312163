/** Runs the C server in place of a Node server: with the same first arguments, output and end. */
import { spawn } from 'node:child_process'
import { buildNative } from '../native/build.mjs'

const child = spawn(buildNative().rawServer, process.argv.slice(2), { stdio: 'inherit' })
child.on('exit', (code) => process.exit(code ?? 1))
