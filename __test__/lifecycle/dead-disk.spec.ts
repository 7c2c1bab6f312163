// A thread that waits for a disk cannot be interrupted. The end of a worker or of the process does not wait for it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

import { compilerIsThere, holding } from '../faults/compiled.ts'
import { TYPESCRIPT } from '../fixtures/child-process.ts'
import { kernelSerial } from '../fixtures/executor.ts'
import { sampleDirectory, sampleFile } from '../fixtures/sample-file.ts'
import { within } from '../fixtures/within.ts'

const script = fileURLToPath(new URL('../fixtures/children/dead-disk.ts', import.meta.url))
/** In ms. One second on an idle machine. */
const SOON = 5000
const declare = compilerIsThere ? kernelSerial : test.serial.skip

declare('a worker and a process end without waiting for a disk that does not respond', async (t) => {
  const file = sampleFile(3 << 20)
  const held = join(sampleDirectory(), 'held')
  mkdirSync(held)
  const target = join(sampleDirectory(), 'dead-disk')
  const child = spawn(process.execPath, [TYPESCRIPT, script, file.path, target], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...holding(held).env },
  })
  t.teardown(() => child.kill('SIGKILL'))
  let reported = ''
  let exits = 0
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    reported += text
    if (reported.includes('exits')) exits = performance.now()
  })
  const [code] = await within(once(child, 'close'), 'the end of the process', 30_000)
  t.is(code, 0)
  t.true(performance.now() - exits < SOON, `${performance.now() - exits} ms until the exit`)
  const { terminate } = JSON.parse(reported.split('\n')[0] ?? '{}')
  t.true(terminate < SOON, `${terminate} ms until the worker had ended`)
  t.log(
    `${Math.round(terminate)} ms until the worker had ended, ${Math.round(performance.now() - exits)} until the exit`,
  )
})
