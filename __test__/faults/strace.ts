// strace(1) as the injector of failures.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { sampleDirectory } from '../fixtures/sample-file.ts'
import type { Launch } from './runner.ts'
import type { Call } from './table.ts'

export interface Injection extends Launch {
  /** The number of injected failures. */
  injected(): number
}

let logs = 0

/**
 * Only calls that use one of `paths` fail and are counted; without paths, every call of the process. strace counts each
 * thread separately.
 */
export function injecting(faults: Readonly<Partial<Record<Call, string>>>, paths: readonly string[]): Injection {
  const log = join(sampleDirectory(), `faults-${(logs += 1)}.strace`)
  const calls = Object.keys(faults).join(',')
  const injections = Object.entries(faults).flatMap(([call, fault]) => ['-e', `inject=${call}:${fault}`])
  const only = paths.flatMap((path) => ['-P', path])
  const command = ['strace', '-f', '-qq', '--seccomp-bpf', '-o', log, '-e', `trace=${calls}`, ...injections, ...only]
  return { command, injected: () => readFileSync(log, 'latin1').match(/\(INJECTED\)/g)?.length ?? 0 }
}
