// Hundreds of clients that do not read need no thread each, and no CPU time while nothing moves.
import { once } from 'node:events'
import net from 'node:net'
import { join } from 'node:path'

import { sendfile } from '../../index.ts'
import { endingOf } from '../fixtures/ending.ts'
import { kernelTest } from '../fixtures/executor.ts'
import { sampleDirectory, sampleFile } from '../fixtures/sample-file.ts'
import { countOurThreads, engineIdle } from '../fixtures/threads.ts'

const STALLED = 300
const THREADS = 6
/** Duration of the measurement in ms, and its maximum of CPU time: one busy thread would use all of it. */
const INTERVAL = 1000
const MOST_BUSY = 250
const file = sampleFile(1 << 20)

kernelTest('300 stalled transfers use at most 6 threads and no CPU', async (t) => {
  // Unix sockets: hundreds of full TCP buffers would affect other processes.
  const path = join(sampleDirectory(), 'stalled.sock')
  const server = net.createServer().listen(path)
  await once(server, 'listening')
  t.teardown(() => server.close())
  const endings = []
  const sockets: net.Socket[] = []
  for (let number = 0; number < STALLED; number += 1) {
    const accepted = once(server, 'connection')
    const far = new net.Socket().pause().connect(path)
    t.teardown(() => void far.destroy())
    const [near]: net.Socket[] = await accepted
    sockets.push(near!)
    endings.push(endingOf(sendfile(near!, file.path)))
  }
  await engineIdle()
  const threads = countOurThreads()
  t.true(threads > 0 && threads <= THREADS, `${threads} threads`)

  const before = process.cpuUsage()
  await new Promise((resolve) => {
    setTimeout(resolve, INTERVAL)
  })
  const { user, system } = process.cpuUsage(before)
  t.true((user + system) / 1000 < MOST_BUSY, `${(user + system) / 1000} ms of ${INTERVAL}`)

  for (const near of sockets) near.destroy()
  for (const { code, bytesSent } of await Promise.all(endings)) {
    t.is(code, 'ERR_SENDFILE_DESTINATION')
    t.true(bytesSent > 0 && bytesSent < file.bytes.length)
  }
})
