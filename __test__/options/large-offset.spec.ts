// Ranges beyond the precision of a double: the numbers stay exact in the addon and in the planner.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { join } from 'node:path'

import test from 'ava'

import { sendfile } from '../../index.ts'
import { connectedPair } from '../fixtures/connected-pair.ts'
import { METHOD } from '../fixtures/executor.ts'
import { Received } from '../fixtures/received.ts'
import { tlsPair } from '../fixtures/socket-pair.ts'
import { within } from '../fixtures/within.ts'

/** statfs(2), TMPFS_MAGIC: the filesystem whose files may be as large as offsets are. */
const TMPFS = 0x01021994
const MEMORY = '/dev/shm'
const FIRST = 2n ** 53n + 1n
const bytes = Buffer.from('exactly these bytes')

const largeTest = existsSync(MEMORY) && statfsSync(MEMORY).type === TMPFS ? test : test.skip

/** A file with a hole of 8 PiB before its bytes. */
function writeFar(path: string): void {
  execFileSync('dd', ['bs=1', `seek=${FIRST}`, 'conv=notrunc', 'status=none', `of=${path}`], { input: bytes })
}

largeTest('an offset above 2^53 is exact', async (t) => {
  const directory = mkdtempSync(join(MEMORY, 'sendfile64-test-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const path = join(directory, 'far')
  writeFar(path)
  const plain = await connectedPair(t)
  const { near, far, close } = await tlsPair()
  t.teardown(close)
  const peer = await far
  const received = new Received(peer)

  const sent = await sendfile(plain.near, path, { offset: FIRST, bigint: true, end: true })
  t.is(sent.method, METHOD)
  t.is(sent.bytesSent, BigInt(bytes.length))
  await within(plain.received.reaches(bytes.length), 'the bytes')
  t.deepEqual(plain.received.bytes, bytes)

  const copied = await sendfile(near, path, { offset: FIRST + 8n, count: 5, bigint: true, end: true })
  t.is(copied.method, 'copy')
  await within(received.closed, 'the end over TLS')
  t.deepEqual(received.bytes, bytes.subarray(8, 13))
})
