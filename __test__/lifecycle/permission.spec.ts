// Under the permission model, Node decides what may be loaded and read.
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'

import { run } from '../fixtures/child-process.ts'
import { IN_KERNEL, METHOD } from '../fixtures/executor.ts'
import { sampleFile, writeSample } from '../fixtures/sample-file.ts'
import { secondCopy } from '../fixtures/second-copy.ts'
import { sha256 } from '../fixtures/sha256.ts'

const [major = 0] = process.versions.node.split('.').map(Number)
const PERMISSION = major < 22 ? '--experimental-permission' : '--permission'
/** Since Node 25, sockets also need a permission. */
const NET = process.allowedNodeEnvironmentFlags.has('--allow-net') ? ['--allow-net'] : []

/** The permissions of the binding, and which binding it is. */
const [ALLOWED, BINDING] = IN_KERNEL ? ['--allow-addons', 'native'] : ['--allow-wasi', 'wasm32-wasip1']

const file = sampleFile(1 << 20)
const entry = secondCopy()
const children = dirname(fileURLToPath(new URL('../fixtures/children/permitted.mjs', import.meta.url)))
const GOES_ON = Buffer.from('the socket goes on')

/** No module that needs its own permission is preloaded. */
const WARNINGS = '--disable-warning=ExperimentalWarning'

async function sendUnder(
  t: ExecutionContext,
  flags: readonly string[],
  path = file.path,
  child = 'permitted.mjs',
): Promise<unknown> {
  const execArgv = [PERMISSION, ...NET, ...flags]
  const { code, stdout, stderr } = await run(t, child, [entry, path], {
    execArgv,
    env: { NODE_OPTIONS: WARNINGS },
  }).exit
  t.is(code, 0, stderr)
  return JSON.parse(stdout)
}

test('with permission to load the binding, the bytes are sent by it', async (t) => {
  t.deepEqual(await sendUnder(t, ['--allow-fs-read=*', ALLOWED]), {
    binding: BINDING,
    method: METHOD,
    bytesSent: file.bytes.length,
    digest: sha256(file.bytes, GOES_ON),
  })
})

test('without that permission, the transfer rejects with an explanation, and the destination stays untouched', async (t) => {
  t.deepEqual(await sendUnder(t, ['--allow-fs-read=*']), {
    binding: 'none',
    name: 'SendfileError',
    code: 'ERR_SENDFILE_BINDING',
    digest: sha256(GOES_ON),
  })
})

test("a file without read permission rejects with Node's ERR_ACCESS_DENIED", async (t) => {
  const elsewhere = writeSample(Buffer.from('secret'))
  const allowed = [dirname(entry), children, file.path].map((path) => `--allow-fs-read=${path}`)
  const flags = [...allowed, ALLOWED]
  t.deepEqual(await sendUnder(t, flags, elsewhere), {
    binding: BINDING,
    name: 'Error',
    code: 'ERR_ACCESS_DENIED',
    permission: 'FileSystemRead',
    digest: sha256(GOES_ON),
  })
  t.deepEqual(await sendUnder(t, flags), {
    binding: BINDING,
    method: METHOD,
    bytesSent: file.bytes.length,
    digest: sha256(file.bytes, GOES_ON),
  })
})

const portableTest = IN_KERNEL ? test.skip : test

// /proc/self/fdinfo may not be read, and without the addon the position of the destination is unknown.
portableTest('a file sent to itself is refused if its positions cannot be determined', async (t) => {
  const reads = [dirname(entry), children, file.path].map((path) => `--allow-fs-read=${path}`)
  t.deepEqual(await sendUnder(t, [...reads, `--allow-fs-write=${file.path}`, ALLOWED], file.path, 'to-itself.mjs'), {
    binding: BINDING,
    name: 'SendfileError',
    code: 'ERR_SENDFILE_OVERLAP',
    size: file.bytes.length,
  })
})
