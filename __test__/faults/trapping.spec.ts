// Filters without openat2(2) and cachestat(2): some return EPERM, some ENOSYS, and some end the process.
import { spawnSync } from 'node:child_process'
import test from 'ava'

import type { Support } from '../../index.ts'
import { TYPESCRIPT } from '../fixtures/child-process.ts'
import { kernelSerial } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { compilerIsThere, refusing, trapping } from './compiled.ts'
import { type Launch, place, TAIL, transferTo } from './runner.ts'

const declare = compilerIsThere ? kernelSerial : test.serial.skip
const file = sampleFile(3_000_017)
const trap = trapping('openat2', 'cachestat')
const WITHOUT = { SENDFILE64_WITHOUT: 'openat2,cachestat' }

const launches: Readonly<Record<string, Launch>> = {
  'openat2 answers EPERM and cachestat ENOSYS': both('EPERM', 'ENOSYS'),
  'openat2 answers ENOSYS and cachestat EPERM': both('ENOSYS', 'EPERM'),
  'both would end the process, and SENDFILE64_WITHOUT names them': { ...trap, env: WITHOUT },
}

function both(openat2: 'EPERM' | 'ENOSYS', cachestat: 'EPERM' | 'ENOSYS'): Launch {
  return { command: [...refusing('openat2', openat2).command, ...refusing('cachestat', cachestat).command] }
}

for (const [title, launch] of Object.entries(launches)) {
  declare(`${title}: the kernel still sends the file`, async (t) => {
    for (const kind of ['TCP socket', 'file'] as const) {
      const { reported, collected } = await transferTo(t, kind, place(kind), file, { method: 'sendfile' }, launch)
      t.is(reported.code, 'none')
      t.is(reported.method, 'sendfile')
      t.is(sha256(collected.bytes), sha256(Buffer.concat([file.bytes, TAIL])))
    }
  })
}

declare('neither the import nor support() makes a system call that a filter may trap', (t) => {
  const index = new URL('../../index.ts', import.meta.url).href
  const script = `const { support } = await import('${index}'); console.log(JSON.stringify(support()))`
  const [program = '', ...args] = [...trap.command, process.execPath, TYPESCRIPT, '--input-type=module', '-e', script]
  const { status, signal, stdout } = spawnSync(program, args, { encoding: 'utf8' })
  t.deepEqual({ status, signal }, { status: 0, signal: null })
  const reported: Support = JSON.parse(stdout)
  t.is(reported.executor, 'kernel')
})
