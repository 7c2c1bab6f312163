// examples/copy.mjs as a user starts it.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import test from 'ava'

import { IN_KERNEL } from '../fixtures/executor.ts'
import { sampleDirectory, sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const file = sampleFile(3 << 20)

function copy(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const example = join(root, 'examples/copy.mjs')
  return spawnSync(process.execPath, [example, ...args], { cwd: root, encoding: 'utf8', timeout: 40_000 })
}

test('the copy example copies a file and prints its progress', (t) => {
  const target = join(sampleDirectory(), 'copied')
  const { status, stdout, stderr } = copy(file.path, target)
  t.is(status, 0, stderr)
  t.is(sha256(readFileSync(target)), sha256(file.bytes))
  t.regex(stdout, new RegExp(`^${file.bytes.length} bytes by ${IN_KERNEL ? 'copy_file_range' : 'copy'} in \\d+ ms\n$`))
  t.true(stderr.includes(`${file.bytes.length} of ${file.bytes.length} bytes`), stderr)
})

test('the copy example prints the error of a failed copy', (t) => {
  t.is(copy().status, 2)
  const { status, stderr } = copy('/nowhere', join(sampleDirectory(), 'nothing'))
  t.is(status, 1)
  t.regex(stderr, /^ENOENT: .*; 0 bytes are copied$/m)
})
