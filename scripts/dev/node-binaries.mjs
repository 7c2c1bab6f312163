// Node.js of other versions, from the npm packages with its binaries; kept in a cache folder.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** The newest of each supported line on the day of the last update; the newest of all comes last. */
export const NODE_VERSIONS = ['20.20.2', '22.23.3', '24.21.0', '26.10.0']

export const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'sendfile64-tools')

/** A folder of the cache with these npm packages, installed once. Returns its node_modules. */
export function installTools(name, manifest) {
  const folder = join(cache, name)
  const done = join(folder, '.done')
  if (!existsSync(done)) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, ...manifest }))
    execFileSync('npm', ['install', '--silent', '--no-audit', '--no-fund'], { cwd: folder, stdio: 'inherit' })
    writeFileSync(done, '')
  }
  return join(folder, 'node_modules')
}

/** The path of node in that version. */
export function nodeBinary(version) {
  if (version === process.versions.node) return process.execPath
  const name = `node-${process.platform}-${process.arch}`
  return join(installTools(`node-${version}`, { dependencies: { [name]: version } }), name, 'bin/node')
}
