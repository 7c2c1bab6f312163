// Environment variables: each in a separate process, because they are read once.
import test, { type ExecutionContext } from 'ava'

import type { SendfileResult } from '../../index.ts'
import { type Exit, run } from '../fixtures/child-process.ts'
import { IN_KERNEL, kernelSerial, METHOD } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'

const file = sampleFile(200_000)

async function transferWith(
  t: ExecutionContext,
  env: Record<string, string>,
): Promise<Exit & { result: SendfileResult }> {
  const exit = await run(t, 'one-transfer.ts', [file.path], { env }).exit
  t.is(exit.code, 0, exit.stderr)
  const result: SendfileResult = JSON.parse(exit.stdout)
  t.is(result.bytesSent, file.bytes.length)
  return { ...exit, result }
}

const steps = ({ fallbacks }: SendfileResult): string[] =>
  fallbacks.map(({ from, to, code }) => `${from}>${to} ${code}`)

test.serial('SENDFILE64=off makes no system call through the addon and reports why', async (t) => {
  const { result, stderr } = await transferWith(t, { SENDFILE64: 'off' })
  t.like(result, { method: 'copy', syscalls: 0 })
  t.deepEqual(steps(result), ['sendfile>copy PLATFORM'])
  t.regex(result.fallbacks[0]?.reason ?? '', /SENDFILE64=off/)
  t.is(stderr, '')
})

for (const [word, method, fallbacks] of [
  ['', 'sendfile', []],
  ['auto', 'sendfile', []],
  ['sendfile', 'sendfile', []],
  ['splice', 'splice', []],
  ['copy', 'copy', []],
  ['copy_file_range', 'sendfile', ['copy_file_range>sendfile EINVAL']],
] as const) {
  test.serial(`SENDFILE64=${word} is tried first and never forced`, async (t) => {
    const { result, stderr } = await transferWith(t, { SENDFILE64: word })
    t.is(result.method, IN_KERNEL ? method : 'copy')
    t.is(result.syscalls > 0, IN_KERNEL)
    t.deepEqual(steps(result), IN_KERNEL ? [...fallbacks] : ['sendfile>copy PLATFORM'])
    t.is(stderr, '')
  })
}

test.serial('an unknown word only causes a warning', async (t) => {
  const { result, stderr } = await transferWith(t, { SENDFILE64: 'nonsense' })
  t.is(result.method, METHOD)
  t.regex(stderr, /\[SENDFILE64\] Warning: Unknown value SENDFILE64='nonsense'\. Expected off, auto, sendfile, splice/)
})

// Only the addon knows the switches.
kernelSerial('an unknown switch only causes a warning', async (t) => {
  const { result, stderr } = await transferWith(t, { SENDFILE64_WITHOUT: 'nonsense' })
  t.is(result.method, 'sendfile')
  t.regex(stderr, /\[SENDFILE64_WITHOUT\] Warning: SENDFILE64_WITHOUT: unknown feature 'nonsense'/)
})

test.serial('NODE_DEBUG=sendfile64 prints the decisions', async (t) => {
  const { stderr } = await transferWith(t, { NODE_DEBUG: 'sendfile64' })
  if (IN_KERNEL) t.regex(stderr, /^SENDFILE64 \d+: .*sample-\d+\.bin by marker, methods 0/m)
  else t.regex(stderr, /^SENDFILE64 \d+: .*sample-\d+\.bin is copied: the addon is not loaded/m)
  const portable = await transferWith(t, { NODE_DEBUG: 'sendfile64', SENDFILE64: 'off' })
  t.regex(portable.stderr, /^SENDFILE64 \d+: .*sample-\d+\.bin is copied: the environment variable SENDFILE64=off/m)
})
