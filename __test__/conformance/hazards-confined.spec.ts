// Section 2.13 of the survey, the rows that end a process or restrict it: each runs in a child process.
import fs from 'node:fs'
import { execFileSync, spawn } from 'node:child_process'
import { constants } from 'node:os'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

import test, { type ExecutionContext } from 'ava'

import { run, TYPESCRIPT } from '../fixtures/child-process.ts'
import { canForce, kernelTest } from '../fixtures/executor.ts'
import { allEnded, type Attempt, attemptAll, type Attempted, cannotLaunch, summary } from '../fixtures/launched.ts'
import { sampleDirectory, sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { within } from '../fixtures/within.ts'

const file = sampleFile(100_000, 20)
const reason = cannotLaunch()

function skipped(t: ExecutionContext, why: string): void {
  t.log(`skipped: ${why}`)
  t.pass()
}

/* ---------------------------------------------------------------- E */

// Where Node writes, Node ignores the signal.
kernelTest(
  '2.13 E: SIGPIPE does not end the process, in the main thread and in a worker, by every method',
  async (t) => {
    t.timeout(60_000)
    if (reason !== undefined) return skipped(t, reason)
    const { code, signal, stdout, stderr } = await run(t, 'broken-pipe.ts', []).exit
    t.deepEqual([code, signal], [0, null], stderr)
    const [first, ...rest]: readonly Broken[] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    t.true(first?.fatal, 'the signal would have ended the process')
    t.is(rest.length, 6, stdout)
    for (const { where, method, codes = [] } of rest) {
      const [unread, left, tcp, unix, shut] = codes
      t.deepEqual([unread, left, shut], ['EPIPE', 'EPIPE', 'EPIPE'], `${where}, ${method}`)
      // Closing a socket with unread bytes resets the connection; any call may report that first.
      for (const code of [tcp, unix]) t.regex(code ?? '', /^(EPIPE|ECONNRESET)$/, `${where}, ${method}`)
    }
    return undefined
  },
)

interface Broken {
  readonly fatal?: boolean
  readonly where?: string
  readonly method?: string
  readonly codes?: readonly string[]
}

/* ---------------------------------------------------------------- I */

const { EPERM, ENOSYS } = constants.errno

for (const [name, errno] of [
  ['EPERM', EPERM],
  ['ENOSYS', ENOSYS],
] as const) {
  kernelTest(
    `2.13 I: if seccomp fails sendfile(2) with ${name}, another method is used and sendfile(2) is not tried again`,
    async (t) => {
      t.timeout(60_000)
      if (reason !== undefined) return skipped(t, reason)
      const target = `${sampleDirectory()}/denied-${name}`
      const source = `${file.path}|r`
      const attempts: Attempt[] = [
        { name: 'first', out: 100, readFrom: 101, source, options: { count: 10 } },
        { name: 'second', out: 100, readFrom: 101, source, options: { count: 10 } },
        { name: 'forced', out: 100, source, options: { count: 10, method: 'sendfile' } },
        { name: 'file', out: `${target}|w`, source, options: {} },
      ]
      const settings = ['--open', 'stream=100,101', '--nonblocking', '100', '--deny', `sendfile:${errno}`]
      const { ended, left } = await attemptAll(t, settings, attempts)
      for (const each of ['first', 'second']) {
        const found = ended.get(each)
        t.is(found === undefined ? '' : summary(found), `sendfile ${name}, copy`, each)
        t.is(found?.text, file.bytes.toString('latin1', 0, 10), each)
        t.is(found?.syscalls, 2, `${each}: one read(2) and one send(2), as the engine has tried sendfile(2) before`)
      }
      t.like(ended.get('forced'), { code: 'ERR_SENDFILE_UNSUPPORTED', bytesSent: 0, cause: name })
      t.like(ended.get('file'), { code: 'ok', method: 'copy_file_range', fallbacks: [] })
      t.is(sha256(fs.readFileSync(target)), sha256(file.bytes))
      t.is(left, 0)
      return undefined
    },
  )

  kernelTest(`2.13 I: if seccomp fails copy_file_range(2) with ${name}, another method is used`, async (t) => {
    t.timeout(60_000)
    if (reason !== undefined) return skipped(t, reason)
    const target = `${sampleDirectory()}/no-range-${name}`
    const attempts = ['first', 'second'].map((each) => ({
      name: each,
      out: `${target}-${each}|w`,
      source: `${file.path}|r`,
      options: {},
    }))
    const { ended } = await attemptAll(t, ['--deny', `copy_file_range:${errno}`], attempts)
    for (const each of ['first', 'second']) {
      t.is(summary(ended.get(each) ?? NOTHING), `copy_file_range ${name}, sendfile`, each)
      t.is(sha256(fs.readFileSync(`${target}-${each}`)), sha256(file.bytes), each)
    }
    t.is(ended.get('second')?.syscalls, 1, 'only sendfile(2) is called')
    return undefined
  })
}

const NOTHING: Attempted = { name: '', code: 'never made', bytesSent: 0 }

/* ---------------------------------------------------------------- J */

// The same on loopback, with chunks and lengths, pipelines and tails: elsewhere.ts.
test('2.13 J: bytes written before the file arrive first, in 10,000 rounds between two network namespaces', async (t) => {
  t.timeout(120_000)
  const rounds = 10_000
  const { path } = sampleFile(1 << 20, 21)
  const [script, child] = ['native/two-hosts.sh', 'children/two-hosts.ts'].map((name) =>
    fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url)),
  )
  if (script === undefined || child === undefined) throw new TypeError('two names')
  const args = ['-n', 'sh', script, process.execPath, TYPESCRIPT, child, path, String(rounds)]
  const { code, stdout, stderr } = await unshared(t, args)
  if (code === 96 || code === undefined || stderr.startsWith('unshare:'))
    return skipped(t, `no network namespaces: ${stderr}`)
  t.is(code, 0, stderr)
  t.is(stderr, '')
  t.deepEqual(JSON.parse(stdout), { rounds, wrong: 0 })
  return undefined
})

/* ---------------------------------------------------------------- N and O */

const METHODS = (['auto', 'copy_file_range', 'sendfile', 'splice', 'copy'] as const).filter(canForce)

test('2.13 N: RLIMIT_FSIZE rejects with EFBIG and a partial count, and the process continues', async (t) => {
  t.timeout(60_000)
  if (reason !== undefined) return skipped(t, reason)
  const limit = 65_537
  const target = (method: string): string => `${sampleDirectory()}/limited-${method}`
  const attempts = METHODS.map((method) => ({
    name: method,
    out: `${target(method)}|w`,
    source: `${file.path}|r`,
    options: { method },
  }))
  const { ended } = await attemptAll(t, ['--file-size', String(limit)], attempts, 'cold')
  for (const method of METHODS) {
    t.like(ended.get(method), { code: 'EFBIG', bytesSent: limit }, method)
    t.is(sha256(fs.readFileSync(target(method))), sha256(file.bytes.subarray(0, limit)), method)
  }
  return undefined
})

/** A tmpfs of 64 KiB in a mount namespace of the child. */
const MOUNT = 'mount -t tmpfs -o size=64k none "$0" && exec "$@"'

test('2.13 O: a full file system rejects with ENOSPC and a partial count', async (t) => {
  t.timeout(60_000)
  if (reason !== undefined) return skipped(t, reason)
  const folder = `${sampleDirectory()}/full`
  fs.mkdirSync(folder)
  try {
    execFileSync('unshare', ['-m', 'mount', '-t', 'tmpfs', '-o', 'size=64k', 'none', folder], { stdio: 'pipe' })
  } catch (error) {
    return skipped(t, `nothing may be mounted here: ${error instanceof Error ? error.message : String(error)}`)
  }
  // copy_file_range(2) between two file systems fails with EXDEV since Linux 5.19. Each case truncates the file first.
  const methods = METHODS.filter((each) => each !== 'copy_file_range')
  const source = `${file.path}|r`
  const attempts = methods.map((method) => ({ name: method, out: `${folder}/target|w`, source, options: { method } }))
  const child = fileURLToPath(new URL('../fixtures/children/attempts.ts', import.meta.url))
  const command = [process.execPath, TYPESCRIPT, child, JSON.stringify(attempts), 'cold']
  const { ended } = allEnded(await unshared(t, ['-m', 'sh', '-c', MOUNT, folder, ...command]))
  for (const method of methods) t.like(ended.get(method), { code: 'ENOSPC', bytesSent: 64 << 10 }, method)
  return undefined
})

/** Runs unshare(1). No exit code if it cannot be started, 1 if the namespace was refused. */
async function unshared(
  t: ExecutionContext,
  args: readonly string[],
): Promise<{ readonly code: number | null | undefined; readonly stdout: string; readonly stderr: string }> {
  const child = spawn('unshare', args, { stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  const output = Promise.all([text(child.stdout), text(child.stderr)])
  const exit = new Promise<number | null | undefined>((resolve) => {
    child.on('close', resolve).on('error', () => resolve(undefined))
  })
  const code = await within(exit, 'the exit of the child', 100_000)
  const [stdout, stderr] = await output
  return { code, stdout, stderr }
}
