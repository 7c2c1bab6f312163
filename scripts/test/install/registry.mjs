// A registry on loopback with the packages of target/packages; others come from the real registry.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'

import { NODE_VERSIONS, installTools, nodeBinary } from '../../dev/node-binaries.mjs'
import { root } from '../../dev/provision.mjs'

/** Nothing can be published elsewhere: the token is for this registry, and npm knows no other. */
function npmrc(url) {
  return `registry=${url}\n//${new URL(url).host}/:_authToken=anonymous\nprovenance=false\naudit=false\nfund=false\n`
}

function configuration(storage, upstream) {
  return `
storage: ${storage}
auth: { auth-memory: { users: {} } }
uplinks: { upstream: { url: '${upstream}' } }
packages:
  'sendfile64': { access: $all, publish: $all }
  '@sendfile64/*': { access: $all, publish: $all }
  '**': { access: $all, proxy: upstream }
max_body_size: 20mb
log: { type: stdout, format: pretty, level: error }
`
}

/** A free port chosen by the kernel. */
async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

/** Starts the registry in `work` and publishes; returns its address and a function that ends it. */
export async function startRegistry(work) {
  // verdaccio depends on the dist-tag node-fetch@cjs, which some mirrors lack
  const modules = installTools('verdaccio-6.10.4', {
    dependencies: { verdaccio: '6.10.4', 'verdaccio-auth-memory': '13.0.3' },
    overrides: { 'node-fetch': '2.7.0' },
  })
  const upstream = execFileSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).trim()
  mkdirSync(work, { recursive: true })
  const port = await freePort()
  const url = `http://127.0.0.1:${port}/`
  const config = join(work, 'config.yaml')
  writeFileSync(config, configuration(join(work, 'storage'), upstream))
  const userconfig = join(work, 'npmrc')
  writeFileSync(userconfig, npmrc(url))
  const server = spawn(
    // it requires Node 22
    nodeBinary(NODE_VERSIONS.at(-2)),
    [join(modules, 'verdaccio/bin/verdaccio'), '-c', config, '-l', `127.0.0.1:${port}`],
    { stdio: ['ignore', 'ignore', 'inherit'], cwd: work },
  )
  await answers(url, server)
  const env = { ...process.env, NPM_CONFIG_USERCONFIG: userconfig, npm_config_registry: url }
  for (const { name, tarball } of JSON.parse(readFileSync(join(root, 'target/packages/packages.json'), 'utf8'))) {
    execFileSync('npm', ['publish', tarball, '--provenance=false'], {
      env,
      cwd: work,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    console.log(`published ${name}`)
  }
  return { url, userconfig, stop: () => server.kill() }
}

async function answers(url, server) {
  const deadline = Date.now() + 30_000
  for (;;) {
    if (server.exitCode !== null) throw new Error(`the registry exited with ${server.exitCode}`)
    const response = await fetch(`${url}-/ping`).catch(() => undefined)
    if (response?.ok) return
    if (Date.now() > deadline) throw new Error('the registry does not respond')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
