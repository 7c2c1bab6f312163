/**
 * Real applications, npm itself, other runtimes and a browser. Prints one line for each; missing ones are reported as
 * skipped.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath, pathToFileURL } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))
const folder = join(here, 'cache/apps')
const register = join(here, '../dist/register.cjs')
const MIB = 1 << 20
const SIZE = 24 * MIB + 77

const PACKAGES = [
  'express@5.3.0',
  'helmet@8.3.0',
  'morgan@1.12.1',
  'express-session@1.19.0',
  'compression@1.8.2',
  'koa@3.3.0',
  '@koa/send@6.0.0',
  'fastify@5.12.8',
  '@fastify/static@10.1.11',
  'graceful-fs@4.2.12',
  'bun@1.4.5',
  'deno@2.9.6',
]

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')

function install() {
  if (!existsSync(join(folder, 'node_modules/fastify'))) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'apps', private: true }))
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', ...PACKAGES], {
      cwd: folder,
      stdio: 'inherit',
    })
  }
  for (const name of ['express', 'koa', 'fastify', 'plain', 'start']) {
    copyFileSync(join(here, `apps/${name}.mjs`), join(folder, `${name}.mjs`)) // next to their node_modules
  }
}

/** The served files: random bytes, a text, and three minutes of sound. */
function makeRoot() {
  const root = mkdtempSync(join(tmpdir(), 'sendfile64-apps-'))
  writeFileSync(join(root, 'file.bin'), randomBytes(SIZE))
  writeFileSync(join(root, 'page.html'), '<p>compressible</p>'.repeat(200_000))
  const data = Buffer.alloc(180 * 48_000 * 4)
  const head = Buffer.from(`RIFF....WAVEfmt ....................data....`, 'latin1')
  head.writeUInt32LE(data.length + 36, 4)
  head.writeUInt32LE(16, 16)
  head.writeUInt16LE(1, 20)
  head.writeUInt16LE(2, 22)
  head.writeUInt32LE(48_000, 24)
  head.writeUInt32LE(192_000, 28)
  head.writeUInt16LE(4, 32)
  head.writeUInt16LE(16, 34)
  head.writeUInt32LE(data.length, 40)
  for (let i = 0; i < data.length; i += 4) data.writeInt16LE(Math.round(Math.sin(i / 300) * 8000), i)
  writeFileSync(join(root, 'clip.wav'), Buffer.concat([head, data]))
  return root
}

async function startApp(name, root, { program = process.execPath, flags = [], env = {} } = {}) {
  const counts = join(mkdtempSync(join(tmpdir(), 'sendfile64-counts-')), 'counts')
  const child = spawn(program, [...flags, join(folder, `${name}.mjs`), root], {
    cwd: folder,
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, COMPAT_COUNT: counts, ...env },
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const { value } = await lines.next()
  if (value === undefined) throw new Error(`${name} did not start`)
  const next = async () => JSON.parse((await lines.next()).value)
  return {
    port: JSON.parse(value).port,
    next,
    async stop() {
      const exited = once(child, 'exit')
      child.stdin.end()
      const [code, signal] = await exited
      const written = existsSync(counts) ? readFileSync(counts, 'utf8').trim().split('\n') : []
      return { code, signal, kernel: written.reduce((sum, line) => sum + JSON.parse(line).sendfile, 0) }
    },
  }
}

/** One response as received by curl. */
function curl(port, path, ...options) {
  const output = execFileSync(
    'curl',
    ['-sS', '--max-time', '30', '-i', ...options, `http://127.0.0.1:${port}${path}`],
    {
      maxBuffer: 1 << 28,
    },
  )
  const end = output.indexOf('\r\n\r\n')
  const head = output
    .toString('latin1', 0, end)
    .replace(/^(date|set-cookie|last-modified|keep-alive|x-request-id): .*\r?\n?/gim, '')
  return { head, sha256: sha256(output.subarray(end + 4)), length: output.length - end - 4 }
}

const REQUESTS = [
  ['/sent'],
  ['/file.bin'],
  ['/file.bin', '-r', '0-99'],
  ['/file.bin', '-r', `${5 * MIB}-`],
  ['/file.bin', '-r', `-${3 * MIB}`],
  ['/file.bin', '-H', 'Accept-Encoding: gzip'],
  ['/file.bin', '-I'],
  ['/page.html', '-H', 'Accept-Encoding: gzip', '--compressed'],
  ['/page.html'],
  ['/download'],
  ['/missing'],
]

async function answers(name, root, requests, how) {
  const app = await startApp(name, root, how)
  const got = requests.map((request) => curl(app.port, ...request))
  return { got, ...(await app.stop()) }
}

function tell(same, what, details) {
  console.log(`${same ? 'same   ' : 'DIFFERS'} ${what}: ${details}`)
  return same
}

async function frameworks(root) {
  const results = []
  for (const name of ['express', 'koa', 'fastify']) {
    const stock = await answers(name, root, REQUESTS)
    const ours = await answers(name, root, REQUESTS, { flags: ['--require', join(here, 'count.cjs')] })
    const differing = REQUESTS.filter((_, i) => JSON.stringify(stock.got[i]) !== JSON.stringify(ours.got[i]))
    const same = differing.length === 0 && ours.kernel > 0 && ours.code === 0
    results.push(
      tell(same, name, `${REQUESTS.length} requests, ${ours.kernel} transfers by the kernel, exit ${ours.code}`),
    )
    for (const request of differing) console.log(`  differs: ${request.join(' ')}`)
  }
  return results.every(Boolean)
}

/** Bun and Deno load the package from its built files: the same bytes, by copying. */
async function runtimes(root) {
  const results = []
  const wanted = sha256(readFileSync(join(root, 'file.bin')))
  const entry = pathToFileURL(join(here, '../dist/index.js')).href
  for (const [name, flags] of Object.entries({ bun: ['run'], deno: ['run', '-A'] })) {
    const program = join(folder, 'node_modules/.bin', name)
    const requests = [['/sent'], ['/file.bin', '-r', `${MIB}-`]]
    for (const [how, options] of Object.entries({
      import: { env: { SENDFILE64_APP_ENTRY: entry } },
      register: {
        flags:
          name === 'bun'
            ? ['--preload', register.replace(/cjs$/, 'js')]
            : ['--preload', register.replace(/cjs$/, 'js')],
      },
    })) {
      const { got, code } = await answers('plain', root, requests, {
        ...options,
        program,
        flags: [...flags, ...(options.flags ?? [])],
      }).catch((error) => ({ got: [], code: error.message }))
      const range = sha256(readFileSync(join(root, 'file.bin')).subarray(MIB))
      const same = got[0]?.sha256 === wanted && got[1]?.sha256 === range && code === 0
      results.push(
        tell(same, `${name}, by ${how}`, `${got.map(({ length }) => length).join(' and ')} bytes, exit ${code}`),
      )
    }
  }
  return results.every(Boolean)
}

/** npm reads and writes thousands of files by graceful-fs: it must work under register. */
function npm() {
  const work = mkdtempSync(join(tmpdir(), 'sendfile64-npm-'))
  const [source, target] = [join(work, 'source'), join(work, 'target')]
  for (const path of [source, target]) mkdirSync(path)
  writeFileSync(
    join(source, 'package.json'),
    JSON.stringify({ name: 'local-package', version: '1.2.3', files: ['*.bin'] }),
  )
  writeFileSync(join(source, 'large.bin'), randomBytes(5 * MIB))
  writeFileSync(join(target, 'package.json'), JSON.stringify({ name: 'target', version: '1.0.0' }))
  const env = { ...process.env, NODE_OPTIONS: `--require ${register}` }
  const run = (cwd, ...args) =>
    spawnSync('npm', [...args, '--no-audit', '--no-fund'], { cwd, env, encoding: 'utf8', timeout: 120_000 })
  const packed = run(source, 'pack', '--pack-destination', work)
  const installed = run(target, 'install', '--offline', join(work, 'local-package-1.2.3.tgz'))
  const path = join(target, 'node_modules/local-package/large.bin')
  const same = existsSync(path) && readFileSync(path).equals(readFileSync(join(source, 'large.bin')))
  return tell(same, 'npm pack and npm install of a local folder', `exit ${packed.status} and ${installed.status}`)
}

/** A player requests the beginning, seeks, drops connections and requests other ranges. */
async function browser(root) {
  const found = ['chromium', 'chromium-browser', 'google-chrome'].find(
    (name) => spawnSync(name, ['--version']).status === 0,
  )
  if (found === undefined) {
    console.log('skipped a video player: Chromium was not found')
    return true
  }
  const results = []
  for (const flags of [[], ['--require', join(here, 'count.cjs')]]) {
    const app = await startApp('plain', root, { flags })
    const profile = mkdtempSync(join(tmpdir(), 'sendfile64-chromium-'))
    const options = [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--mute-audio',
      '--no-first-run',
      '--autoplay-policy=no-user-gesture-required',
    ]
    const child = spawn(found, [...options, `--user-data-dir=${profile}`, `http://127.0.0.1:${app.port}/page`], {
      stdio: 'ignore',
    })
    const exited = once(child, 'exit')
    let timer
    const late = new Promise((resolve) => {
      timer = setTimeout(() => resolve({ said: 'nothing in 60 s' }), 60_000)
    })
    const { said } = await Promise.race([app.next(), late]).finally(() => {
      clearTimeout(timer)
      child.kill('SIGTERM')
    })
    await exited
    results.push({ said, ...(await app.stop()) })
  }
  const [stock, ours] = results
  const same = stock.said === ours.said && ours.said.startsWith('played') && ours.kernel > 0
  return tell(
    same,
    'a player in Chromium, four seeks',
    `stock '${stock.said}', registered '${ours.said}', ${ours.kernel} transfers by the kernel`,
  )
}

/** Whether all went well. */
export async function runApps() {
  install()
  const root = makeRoot()
  const results = [await frameworks(root), npm(), await runtimes(root), await browser(root)]
  return results.every(Boolean)
}
