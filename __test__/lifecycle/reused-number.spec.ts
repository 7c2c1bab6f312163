// The number of a duplicated destination is free when the transfer ends, before JavaScript is notified: a file that
// reuses the number stays open.
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'

import { sendfile } from '../../index.ts'
import { countDescriptors } from '../fixtures/descriptors.ts'
import { kernelSerial } from '../fixtures/executor.ts'
import { sampleDirectory, sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { within } from '../fixtures/within.ts'

const file = sampleFile(3 << 20)

kernelSerial('a transfer keeps its destination when the one before it on the same descriptor ends', async (t) => {
  const path = join(sampleDirectory(), 'reused-number')
  const fd = openSync(path, 'w')
  t.teardown(() => closeSync(fd))
  await within(sendfile(fd, file.path), 'the first transfer, which makes the threads')

  await setImmediate() // its turn is over
  const before = countDescriptors()
  const first = sendfile(fd, file.path)
  // Without a turn of the event loop: the engine has closed its descriptor, and JavaScript has not been notified.
  const deadline = performance.now() + 30_000
  while (countDescriptors() > before + 1 && performance.now() < deadline);
  t.is(countDescriptors(), before + 1, 'the source is held until then')
  const second = sendfile(fd, file.path)
  const results = await within(Promise.all([first, second]), 'both')
  t.deepEqual(
    results.map(({ bytesSent }) => bytesSent),
    [file.bytes.length, file.bytes.length],
  )
  t.is(sha256(readFileSync(path)), sha256(Buffer.concat([file.bytes, file.bytes, file.bytes])))
})
