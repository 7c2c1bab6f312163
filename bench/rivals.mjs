/** The rivals: how their processes are started and queried, and how the client runs against them. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { get } from 'node:http'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { buildNative } from './native/build.mjs'

/** The raw server has as many sending threads as the engine. */
export const SENDING_THREADS = Math.min(2, availableParallelism())

const START_LIMIT = 20_000
const STOP_LIMIT = 10_000

/** `stats`: it answers `GET /__stats`. `needs`: a file that must be built first. */
export const RIVALS = {
  stock: { script: 'stock.mjs', stats: true, about: 'fs.createReadStream(path).pipe(res)' },
  'stock-1m': { script: 'stock-1m.mjs', stats: true, about: 'the same with a highWaterMark of 1 MiB' },
  cached: { script: 'cached.mjs', stats: true, about: 'res.end(cachedBuffer)' },
  sendfile64: {
    script: 'sendfile64.mjs',
    stats: true,
    needs: '../dist/index.js',
    about: 'sendfile(res, path, { end: true })',
  },
  stream: {
    script: 'stream.mjs',
    stats: true,
    needs: '../dist/index.js',
    about: 'stock code with the createReadStream of sendfile64',
  },
  register: {
    script: 'stock.mjs',
    stats: true,
    needs: '../dist/register.js',
    preload: '../dist/register.js',
    about: 'stock, started with --import sendfile64/register',
  },
  raw: { script: 'raw.mjs', stats: false, about: 'epoll and sendfile(2) in C' },
}

/** The rivals of this package from the build of another checkout; their names end in `-before`. */
export function addBefore(checkout, names) {
  const dist = resolve(checkout, 'dist')
  if (!existsSync(join(dist, 'index.js'))) throw new Error(`${checkout} is not built: run \`npm run build\` there`)
  return names.flatMap((name) => {
    const { needs, preload, ...rival } = RIVALS[name] ?? {}
    if (!needs) return []
    const file = preload && pathToFileURL(join(dist, 'register.js')).href
    RIVALS[`${name}-before`] = { ...rival, dist, preload: file, about: `${rival.about}, before` }
    return [`${name}-before`]
  })
}

/** Throws an Error for a name that is unknown or not built. */
export function requireRivals(names) {
  for (const name of names) {
    const rival = RIVALS[name]
    if (!rival) throw new Error(`unknown rival ${name}; known are: ${Object.keys(RIVALS).join(', ')}`)
    if (rival.needs && !existsSync(new URL(rival.needs, import.meta.url))) {
      throw new Error(`${name} is not built: run \`npm run build\`, or omit it by --rivals`)
    }
  }
}

async function within(milliseconds, what, promise) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took more than ${milliseconds} ms`)), milliseconds)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

function fetchStats(port, query) {
  return new Promise((resolve, reject) => {
    const request = get({ port, host: '127.0.0.1', path: `/__stats${query}`, agent: false }, async (response) => {
      let text = ''
      for await (const chunk of response) text += chunk
      resolve(JSON.parse(text))
    })
    request.on('error', reject)
  })
}

/** Starts with a higher limit of open files if requested and permitted. */
function command(arguments_, openFiles) {
  if (!openFiles) return [process.execPath, arguments_]
  const raise = 'ulimit -n "$0" 2>/dev/null; exec "$@"'
  return ['bash', ['-c', raise, String(openFiles), process.execPath, ...arguments_]]
}

/** setpriv(1): another user, without the rights of root. */
const asUserArguments = (user) => ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups']

/**
 * @param {string} name a key of RIVALS
 * @param {string} root the directory it serves
 * @param {{ rivalArguments?: string[], nodeArguments?: string[], openFiles?: number, user?: number }} [options] rivalArguments go to the raw server only
 */
export async function startRival(name, root, options = {}) {
  const { script, stats, preload, dist } = RIVALS[name]
  const preloads = preload ? ['--import', new URL(preload, import.meta.url).href] : []
  const path = fileURLToPath(new URL(`./servers/${script}`, import.meta.url))
  const own = name === 'raw' ? (options.rivalArguments ?? []) : []
  const [program, arguments_] = command(
    [...preloads, ...(options.nodeArguments ?? []), path, root, ...own],
    options.openFiles,
  )
  const asUser = options.user === undefined ? [] : asUserArguments(options.user)
  const [first, ...rest] = [...asUser, program, ...arguments_]
  const env = dist === undefined ? process.env : { ...process.env, BENCH_DIST: dist }
  const child = spawn(first, rest, { stdio: ['pipe', 'pipe', 'inherit'], env })
  const exited = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })
  const failed = exited.then(() => {
    throw new Error(`${name} ended before it printed its port`)
  })
  const [line] = await within(START_LIMIT, `starting ${name}`, Promise.race([once(lines, 'line'), failed]))
  const { port } = JSON.parse(line)
  return {
    name,
    port,
    pid: child.pid,
    stats: async (query = '') => (stats ? fetchStats(port, query) : {}),
    async stop() {
      child.stdin.end()
      await within(STOP_LIMIT, `stopping ${name}`, exited).catch(() => child.kill('SIGKILL'))
    },
  }
}

const clientArguments = (port, paths, options) => [
  '--port',
  String(port),
  ...paths.flatMap((path) => ['--path', path]),
  ...Object.entries(options)
    .filter(([, value]) => value !== undefined && value !== false)
    .flatMap(([key, value]) => (value === true ? [`--${key}`] : [`--${key}`, String(value)])),
]

/**
 * Starts the native client; see native/client.c for the options.
 *
 * @param {number} port
 * @param {string[]} paths
 * @param {Record<string, string | number | boolean | undefined>} options
 */
export function startClient(port, paths, options) {
  const child = spawn(buildNative().client, clientArguments(port, paths, options), {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    pid: child.pid,
    async next() {
      const { value, done } = await lines.next()
      if (done) throw new Error('the client printed no result')
      return JSON.parse(value)
    },
    closeStdin: () => child.stdin.end(),
    abandon: () => child.kill('SIGTERM'),
    exited,
  }
}

/** Runs the client to its end and returns its one line. */
export async function runClient(port, paths, options) {
  const client = startClient(port, paths, options)
  const result = await client.next()
  await client.exited
  return result
}
