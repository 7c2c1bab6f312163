// Every row of the table: the right bytes by another method at the current offset, or the right error with the exact
// count. No byte is repeated or missing.
import test, { type ExecutionContext } from 'ava'

import type { Collected } from '../fixtures/collect.ts'
import { IN_KERNEL } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { type Destination, place, straceWorks, TAIL, type Reported, transferTo } from './runner.ts'
import { injecting } from './strace.ts'
import { type Row, rows, SIZE } from './table.ts'

const file = sampleFile(SIZE)

/** Of the failing calls, JavaScript makes those that read a file and write to a descriptor. */
function isMade({ destination, options, faults }: Row): boolean {
  if (IN_KERNEL) return true
  // After the first writes the FIFO may be full: libuv then waits, and repeats a write of zero bytes forever.
  if (destination === 'FIFO' && faults.write === 'retval=0:when=3+') return false
  return options.method === 'copy' && Object.keys(faults).every((call) => call === 'pread64' || call === 'write')
}

for (const row of rows) {
  const { destination, options, prefer, faults } = row
  const what = Object.entries(faults).map(([call, fault]) => `${call} ${fault}`)
  const method = prefer === undefined ? (options.method ?? 'auto') : `${prefer} preferred`
  const declare = straceWorks && isMade(row) ? test.serial : test.serial.skip
  declare(`${destination}, ${method}, quantum ${options.quantum}: ${what.join(', ')}`, (t) => faulted(t, row))
}

async function faulted(t: ExecutionContext, row: Row): Promise<void> {
  const { destination, options, prefer, faults } = row
  const path = place(destination)
  // The pipe between two ends has no path.
  const paths = faults.splice !== undefined && destination === 'TCP socket' ? [] : [file.path, path]
  const everywhere = faults.sendto === undefined ? paths : [] // nor has a socket
  const injection = injecting(faults, everywhere)
  const env = prefer === undefined ? {} : { SENDFILE64: prefer }
  const { reported, collected } = await transferTo(t, destination, path, file, options, { ...injection, env })
  t.true(injection.injected() >= Object.keys(faults).length, 'the calls have failed')
  checkTold(t, row, reported)
  checkArrived(t, destination, reported, collected)
}

function checkTold(t: ExecutionContext, { expect }: Row, reported: Reported): void {
  t.is(reported.code, expect.code)
  t.is(reported.offset, reported.bytesSent)
  if (expect.code === 'none' || expect.atMost === 0) t.is(reported.bytesSent, expect.atMost)
  else
    t.true(
      reported.bytesSent > 0 && reported.bytesSent <= expect.atMost,
      `${reported.bytesSent} of ${expect.atMost} bytes`,
    )
  if (expect.syscall !== undefined) t.is(reported.syscall, expect.syscall)
  if (expect.cause !== undefined) t.is(reported.cause, expect.cause)
  if (expect.method !== undefined) t.is(reported.method, expect.method)
  const steps = reported.fallbacks?.map(({ from, to, code }) => `${from}→${to} ${code}`)
  if (expect.fallbacks !== undefined) t.deepEqual(steps, [...expect.fallbacks])
}

/** A message whose body cannot be completed is destroyed; every other destination stays usable. */
function checkArrived(
  t: ExecutionContext,
  destination: Destination,
  reported: Reported,
  { bytes, ended }: Collected,
): void {
  const isMessage = destination.includes('response')
  const body = file.bytes.subarray(0, reported.bytesSent)
  t.is(bytes.length, body.length + (isMessage ? 0 : TAIL.length))
  t.is(sha256(bytes), isMessage ? sha256(body) : sha256(body, TAIL))
  t.is(ended, !isMessage || reported.code === 'none')
}
