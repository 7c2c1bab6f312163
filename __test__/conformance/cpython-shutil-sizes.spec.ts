// CPython, Lib/test/test_shutil.py, TestZeroCopySendfile: files whose size is unknown or wrong, and the size of the blocks.
import { readFileSync } from 'node:fs'
import test from 'ava'

import { IN_KERNEL, kernelSerial } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { warmEngine } from '../fixtures/warm-engine.ts'
import { copied, METHODS } from './fixtures/copied.ts'
import { tidy } from './fixtures/tidy.ts'

const SIZE = 3 * 2 ** 20 + 1
const file = sampleFile(SIZE)

test.before(warmEngine)

test.serial(
  'CPython shutil 53: a file of unknown size is copied to its end',
  tidy(async (t, closing) => {
    // 0 bytes long, by fstat(2)
    const path = '/proc/version'
    const totals: (number | null)[] = []
    await copied(t, closing, path, readFileSync(path), { onProgress: ({ total }) => totals.push(total) })
    t.true(totals.length > 0 && totals.slice(0, -1).every((total) => total === null))
  }),
)

// The origin mocks a small st_size, from which it computes its blocks; here the quantum is used. Files of /proc report
// a small size anyway.
test.serial(
  'CPython shutil 54: blocks smaller than the file copy all of it',
  tidy(async (t, closing) => {
    const small = sampleFile(300_001)
    for (const method of METHODS) {
      const { syscalls } = await copied(t, closing, small.path, small.bytes, { method, quantum: 1000 })
      t.true(syscalls >= (IN_KERNEL ? 301 : 0), `${syscalls} calls`)
    }
    const symbols = '/proc/kallsyms'
    await copied(t, closing, symbols, readFileSync(symbols))
  }),
)

// A file of /sys reports a size of one page, regardless of its content.
test.serial(
  'CPython shutil 55: blocks and a size larger than the file copy all of it',
  tidy(async (t, closing) => {
    for (const method of METHODS) {
      await copied(t, closing, file.path, file.bytes, { method, quantum: 0x7ffff000 })
    }
    const attribute = '/sys/devices/system/cpu/online'
    await copied(t, closing, attribute, readFileSync(attribute))
  }),
)

// shutil: at least 8 MiB. Here 1 MiB, so that other transfers are not delayed (lib/options/sendfile.ts).
kernelSerial(
  'CPython shutil 56: the size of the blocks is the quantum',
  tidy(async (t, closing) => {
    const byDefault = await copied(t, closing, file.path, file.bytes, { method: 'sendfile' })
    t.true(byDefault.syscalls >= 4, `${byDefault.syscalls} calls of 1 MiB at most`)
    const atOnce = await copied(t, closing, file.path, file.bytes, { method: 'sendfile', quantum: 2 ** 23 })
    t.true(atOnce.syscalls < byDefault.syscalls, `${atOnce.syscalls} calls of 8 MiB at most`)
  }),
)
