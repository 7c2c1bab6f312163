// C programs for faults that strace cannot inject, or where it is missing: compiled when they are needed.
import { execFileSync, spawnSync } from 'node:child_process'
import { constants } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { sampleDirectory } from '../fixtures/sample-file.ts'
import type { Launch } from './runner.ts'

const sources = new URL('../fixtures/native/', import.meta.url)
const built = new Map<string, string>()

export const compilerIsThere = process.platform === 'linux' && spawnSync('cc', ['--version']).status === 0

function build(name: string, ...flags: readonly string[]): string {
  const there = built.get(name)
  if (there !== undefined) return there
  const output = join(sampleDirectory(), name)
  const source = fileURLToPath(new URL(`${name}.c`, sources))
  execFileSync('cc', ['-O1', '-Wall', '-Werror', ...flags, source, '-o', output], { timeout: 30_000 })
  built.set(name, output)
  return output
}

/** After existing preloads: the runtime of a sanitizer must be first. */
function preload(name: string): string {
  const library = build(name, '-shared', '-fPIC')
  const { LD_PRELOAD: first = '' } = process.env
  return first === '' ? library : `${first}:${library}`
}

/** seccomp fails the call with `error`; with `count`, only for calls with that many bytes. */
export function refusing(call: string, error: keyof typeof constants.errno, count = 0): Launch {
  return { command: [build('refuse'), call, String(constants.errno[error]), String(count)] }
}

/** seccomp ends the process at any of the calls, as Android does (SECCOMP_RET_TRAP). */
export function trapping(...calls: readonly string[]): Launch {
  return { command: calls.flatMap((call) => [build('refuse'), call, 'trap', '0']) }
}

/** No call moves more than `most` bytes. */
export function shortening(most: number): Launch {
  return { command: [], env: { LD_PRELOAD: preload('short'), SHORT_LATER: String(most) } }
}

/**
 * A disk that does not respond: sendfile(2) never returns on a thread that may wait for one. Such a call leaves a file
 * in `held`.
 */
export function holding(held: string): Launch {
  return { command: [], env: { LD_PRELOAD: preload('hold'), HELD: held } }
}

/**
 * The user of the process has used up its memory for pipes: every new one is small. Exits with 77 if that is not
 * possible.
 */
export function smallPipes(): Launch {
  return { command: [build('small-pipes')] }
}

/** Every TCP socket is one of Multipath TCP. */
export function multipath(): Launch {
  return { command: [], env: { LD_PRELOAD: preload('multipath') } }
}

/** Whether this kernel makes such sockets (Documentation/networking/mptcp-sysctl.rst). */
export const multipathIsThere =
  compilerIsThere && spawnSync('grep', ['-qx', '1', '/proc/sys/net/mptcp/enabled']).status === 0
