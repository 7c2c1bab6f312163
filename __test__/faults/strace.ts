// strace(1) as the one that makes calls fail.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { sampleDirectory } from '../fixtures/sample-file.ts'
import type { Launch } from './runner.ts'
import type { Call } from './table.ts'

export interface Injection extends Launch {
  /** How many calls were made to fail. */
  injected(): number
}

let logs = 0

/**
 * Only calls that touch one of `paths` fail, and the number of a call counts those alone; without paths, every call of
 * the process. strace counts for each thread by itself.
 */
export function injecting(faults: Readonly<Partial<Record<Call, string>>>, paths: readonly string[]): Injection {
  const log = join(sampleDirectory(), `faults-${(logs += 1)}.strace`)
  const calls = Object.keys(faults).join(',')
  const injections = Object.entries(faults).flatMap(([call, fault]) => ['-e', `inject=${call}:${fault}`])
  const only = paths.flatMap((path) => ['-P', path])
  const command = ['strace', '-f', '-qq', '--seccomp-bpf', '-o', log, '-e', `trace=${calls}`, ...injections, ...only]
  return { command, injected: () => readFileSync(log, 'latin1').match(/\(INJECTED\)/g)?.length ?? 0 }
}
