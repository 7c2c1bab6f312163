// Permanent EAGAIN from a destination that poll(2) reports as writable must not cause a busy loop.
import test, { type ExecutionContext } from 'ava'

import { kernelSerial } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { type Destination, place, straceWorks, TAIL, type Reported, transferTo } from './runner.ts'
import { injecting } from './strace.ts'
import { type Call, QUANTUM, SIZE } from './table.ts'

const file = sampleFile(SIZE)
const declare = straceWorks ? kernelSerial : test.serial.skip

/** Two calls of the JavaScript thread, and two of the engine. */
const MOST_BEFORE = 4 * QUANTUM
/** Duration of a storm in ms, until the transfer is aborted. */
const STORM = 1000
/** Maximum of system calls in that time; a busy loop under strace makes thousands. */
const MOST_CALLS = 50
/** Maximum of clock ticks, of which that time has a hundred (sysconf(3), _SC_CLK_TCK). A busy loop uses all of them. */
const MOST_TICKS = 30

const STORMS: readonly (readonly [Destination, 'sendfile' | 'splice' | 'copy', Call])[] = [
  ['TCP socket', 'sendfile', 'sendfile'],
  ['TCP socket', 'splice', 'splice'],
  ['TCP socket', 'copy', 'sendto'],
  ['response with Content-Length', 'sendfile', 'sendfile'],
  ['chunked response', 'copy', 'sendto'],
  ['FIFO', 'sendfile', 'sendfile'],
  ['FIFO', 'splice', 'splice'],
  ['FIFO', 'copy', 'write'],
]

for (const [destination, method, call] of STORMS) {
  for (const when of [1, 3]) {
    declare(
      `${destination}, ${method}: permanent EAGAIN from call ${when} does not occupy the processor`,
      async (t) => {
        const { reported, bytes, injected } = await storm(t, destination, method, call, `when=${when}+`)
        t.is(reported.code, 'ERR_SENDFILE_STALLED')
        t.true(when === 1 ? reported.bytesSent === 0 : reported.bytesSent > 0 && reported.bytesSent <= MOST_BEFORE)
        t.is(sha256(bytes), sha256(file.bytes.subarray(0, reported.bytesSent), tailOf(destination)))
        t.true(injected > 0 && injected <= MOST_CALLS, `${injected} calls`)
        t.true(reported.ticks <= MOST_TICKS, `${reported.ticks} ticks`)
      },
    )
  }
}

// The poller reports changes (epoll(7), EPOLLET), and here nothing changes: after EAGAIN from a destination that was
// reported as writable, the engine must retry by itself.
for (const destination of ['TCP socket', 'FIFO'] as const) {
  declare(`${destination}, sendfile: every byte arrives after EAGAIN four times`, async (t) => {
    const { reported, bytes } = await storm(t, destination, 'sendfile', 'sendfile', 'when=2..5')
    t.is(reported.code, 'none')
    t.is(sha256(bytes), sha256(file.bytes, TAIL))
  })
}

function tailOf(destination: Destination): Buffer {
  return destination.includes('response') ? Buffer.alloc(0) : TAIL
}

async function storm(
  t: ExecutionContext,
  destination: Destination,
  method: 'sendfile' | 'splice' | 'copy',
  call: Call,
  when: string,
): Promise<{ reported: Reported; bytes: Buffer; injected: number }> {
  const path = place(destination)
  const byPath = call !== 'sendto' && !(call === 'splice' && destination === 'TCP socket')
  const injection = injecting({ [call]: `error=EAGAIN:${when}` }, byPath ? [file.path, path] : [])
  const options = { method, quantum: QUANTUM, stallTimeout: STORM }
  const { reported, collected } = await transferTo(t, destination, path, file, options, injection)
  return { reported, bytes: collected.bytes, injected: injection.injected() }
}
