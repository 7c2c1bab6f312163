/** Compiles the C programs of this directory into target/bench/, if they are older than their sources. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const sourceDir = fileURLToPath(new URL('.', import.meta.url))
const outputDir = fileURLToPath(new URL('../../target/bench/', import.meta.url))
const compiler = process.env.CC ?? 'cc'
const flags = ['-std=gnu17', '-O2', '-Wall', '-Wextra', '-Werror', '-pthread']

const programs = {
  rawServer: ['raw-server.c'],
  client: ['client.c', 'load.c', 'hold.c', 'connection.c'],
  pageCache: ['page-cache.c'],
}

const modified = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0

function compile(sources) {
  const output = join(outputDir, basename(sources[0], '.c'))
  const headers = readdirSync(sourceDir).filter((name) => name.endsWith('.h'))
  const newest = Math.max(...[...sources, ...headers].map((name) => modified(join(sourceDir, name))))
  if (modified(output) > newest) return output
  const paths = sources.map((name) => join(sourceDir, name))
  const { status, error } = spawnSync(compiler, [...flags, '-o', output, ...paths], {
    stdio: ['ignore', 2, 2],
  })
  if (error) throw new Error(`the benchmark needs a C compiler: ${compiler} could not be run (${error.code})`)
  if (status !== 0) throw new Error(`${compiler} could not compile ${sources.join(', ')}`)
  return output
}

/**
 * @returns {{ rawServer: string, client: string, pageCache: string }} the paths of the programs
 */
export function buildNative() {
  mkdirSync(outputDir, { recursive: true })
  return Object.fromEntries(Object.entries(programs).map(([name, sources]) => [name, compile(sources)]))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(Object.values(buildNative()).join('\n'))
