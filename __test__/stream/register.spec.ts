// node --require sendfile64/register with the built package in a separate project.
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'

import { buildIfStale, linkedProject, partialProject } from '../fixtures/built-package.ts'
import { IN_KERNEL } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'

const file = sampleFile(4 << 20)

test.before(() => buildIfStale())

interface How {
  readonly flags?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly folder?: string
  readonly extension?: 'cjs' | 'mjs'
}

/** Runs a script that prints one line of JSON. */
function run(
  script: string,
  { flags = ['--require', 'sendfile64/register'], env = {}, folder = linkedProject(), extension = 'cjs' }: How = {},
): {
  said: Record<string, unknown>
  stderr: string
} {
  const path = join(folder, `script.${extension}`)
  writeFileSync(path, script)
  const { stdout, stderr, status } = spawnSync(process.execPath, [...flags, path, file.path], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '', ...env },
    timeout: 30_000,
  })
  if (status !== 0) throw new Error(`exit code ${status}: ${stderr}`)
  return { said: JSON.parse(stdout), stderr }
}

/** Serves the file once by the stream of `make`, and returns the body and the transfer. */
const serving = (make: string, load = (module: string) => `require('${module}')`): string => `
  const fs = ${load('node:fs')}, http = ${load('node:http')}, { createHash } = ${load('node:crypto')}
  const server = http.createServer(async (request, response) => {
    const stream = await (${make})
    stream.on('close', () => setImmediate(() => server.close()))
    stream.pipe(response)
    server.stream = stream
  })
  server.keepAliveTimeout = 1
  server.listen(0, '127.0.0.1', async () => {
    const answer = await fetch('http://127.0.0.1:' + server.address().port)
    const sum = createHash('sha256').update(Buffer.from(await answer.arrayBuffer())).digest('hex')
    const { transfer } = server.stream
    console.log(JSON.stringify({ sum, method: transfer?.method, bytes: transfer?.bytesSent }))
  })
`
const asStock = { sum: sha256(file.bytes) }
/** Where JavaScript copies, nothing is replaced. */
const asOurs = IN_KERNEL ? { ...asStock, method: 'sendfile', bytes: file.bytes.length } : asStock
const PATH = 'process.argv[2]'

const preloads = { '--require': ['--require', 'sendfile64/register'], '--import': ['--import', 'sendfile64/register'] }
for (const [name, flags] of Object.entries(preloads)) {
  test(`${name}: fs.createReadStream is replaced`, (t) => {
    t.deepEqual(run(serving(`fs.createReadStream(${PATH})`), { flags }).said, asOurs)
  })

  test(`${name}: FileHandle.createReadStream is replaced`, (t) => {
    t.deepEqual(
      run(serving(`fs.promises.open(${PATH}).then((handle) => handle.createReadStream())`), { flags }).said,
      asOurs,
    )
  })

  test(`${name}: names imported from node:fs are replaced`, (t) => {
    const script = `import { createReadStream, ReadStream } from 'node:fs'\n${serving(
      `Math.random() < 0.5 ? createReadStream(${PATH}) : new ReadStream(${PATH})`,
      (module) => `await import('${module}')`,
    )}`
    t.deepEqual(run(script, { flags, extension: 'mjs' }).said, asOurs)
  })
}

test('--require works together with module hooks, which have their own thread', (t) => {
  const hooks = "import { register } from 'node:module'; register('data:text/javascript,')"
  const flags = ['--require', 'sendfile64/register', `--import=data:text/javascript,${encodeURIComponent(hooks)}`]
  t.deepEqual(run(serving(`fs.createReadStream(${PATH})`), { flags }).said, asOurs)
})

test('loading it by --import and --require replaces once', (t) => {
  const flags = [...preloads['--require'], ...preloads['--import'], ...preloads['--require']]
  const { said, stderr } = run(serving(`fs.createReadStream(${PATH})`), { flags, env: { NODE_DEBUG: 'sendfile64' } })
  t.deepEqual(said, asOurs)
  if (IN_KERNEL) t.is(stderr.match(/register: fs\.ReadStream is replaced/g)?.length, 1)
  else t.regex(stderr, /register: streams stay stock, the addon is not loaded/)
})

test('a second copy of the package leaves the first in place', (t) => {
  const folder = linkedProject()
  const other = linkedProject()
  const flags = [
    '--require',
    'sendfile64/register',
    '--require',
    join(other, 'node_modules/sendfile64/dist/register.cjs'),
  ]
  t.deepEqual(run(serving(`fs.createReadStream(${PATH})`), { flags, folder }).said, asOurs)
})

test('worker threads are covered', (t) => {
  const script = `
    const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads')
    if (isMainThread) new Worker(__filename, { argv: [${PATH}] })
    else { ${serving(`fs.createReadStream(${PATH})`)} }
  `
  t.deepEqual(run(script).said, asOurs)
})

test('SENDFILE64=off keeps stock streams, and NODE_DEBUG prints the reason', (t) => {
  const env = { SENDFILE64: 'off', NODE_DEBUG: 'sendfile64' }
  const { said, stderr } = run(serving(`fs.createReadStream(${PATH})`), { env })
  t.deepEqual(said, asStock)
  t.regex(stderr, /register: streams stay stock, the environment variable SENDFILE64=off disables the kernel path/)
})

test('SENDFILE64=copy makes the engine copy', (t) => {
  const { said } = run(serving(`fs.createReadStream(${PATH})`), { env: { SENDFILE64: 'copy' } })
  t.deepEqual(said, IN_KERNEL ? { ...asOurs, method: 'copy' } : asStock)
})

test('a small file is read, or sent by the kernel with SENDFILE64=sendfile', (t) => {
  const small = sampleFile(4096)
  const script = serving(`fs.createReadStream(${JSON.stringify(small.path)})`)
  const stock = { sum: sha256(small.bytes) }
  const by = (method: string): object => (IN_KERNEL ? { ...stock, bytes: small.bytes.length, method } : stock)
  t.deepEqual(run(script).said, by('copy'))
  t.deepEqual(run(script, { env: { SENDFILE64: 'sendfile' } }).said, by('sendfile'))
})

test('without a binding streams stay stock, and NODE_DEBUG prints the reason', (t) => {
  const folder = partialProject(['package.json', 'dist'])
  const { said, stderr } = run(serving(`fs.createReadStream(${PATH})`), { folder, env: { NODE_DEBUG: 'sendfile64' } })
  t.deepEqual(said, asStock)
  t.regex(stderr, /register: streams stay stock, the addon is not loaded/)
})

test('a module may derive from fs.ReadStream by apply, as graceful-fs does', (t) => {
  const script = serving(`(() => {
    const Base = fs.ReadStream
    function Patient(path, options) {
      if (this instanceof Patient) return Base.apply(this, arguments), this
      return Patient.apply(Object.create(Patient.prototype), arguments)
    }
    Patient.prototype = Object.create(Base.prototype)
    Patient.prototype.open = function () {
      fs.open(this.path, this.flags, this.mode, (error, fd) => {
        if (error) return this.destroy(error)
        this.fd = fd
        this.emit('open', fd)
      })
    }
    return new Patient(${PATH})
  })()`)
  t.deepEqual(run(script).said, asOurs)
})

test('a replacement of fs.read sees every read', (t) => {
  const script = serving(`(() => {
    const { read } = fs
    server.reads = 0
    fs.read = (...args) => (server.reads++, read(...args))
    process.on('exit', () => process.exitCode = server.reads >= 64 ? 0 : 1)
    return fs.createReadStream(${PATH})
  })()`)
  t.like(run(script).said, IN_KERNEL ? { ...asStock, method: 'copy' } : asStock)
})

// From Node 22, an import of node:util has the same effect: it reads every property of that module.
test('process.chdir stays unchanged for a program that imported node:util', (t) => {
  const script = `console.log(JSON.stringify({ chdir: String(process.chdir) }))`
  const stock = run(script, { flags: ['--import', 'data:text/javascript,import "node:util"'] })
  t.deepEqual(run(script).said, stock.said)
})
