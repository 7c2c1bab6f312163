// Arguments that lib/ never passes to the addon. They cause an error, never the end of the process.
import { readFileSync } from 'node:fs'

import { native } from '../../lib/native/load.ts'
import { COMMAND, END, EVENT, REPORT, STATUS, TARGET } from '../../lib/native/codes.ts'
import { countDescriptors } from '../fixtures/descriptors.ts'
import { kernelTest } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'

const EBADF = 9
const file = sampleFile(1000)
const path = Buffer.from(file.path)

function connected(onEvents = (): void => {}): InstanceType<NonNullable<typeof native>['Environment']> {
  if (native === undefined) throw new Error('only with the addon')
  return new native.Environment(onEvents)
}

kernelTest('a negative number is a descriptor that is not open', (t) => {
  const link = connected()
  t.is(link.sendHead(-1, Buffer.from('head')), -EBADF)
  t.is(native?.readCached(-1, Buffer.alloc(10), 0), -EBADF)
  t.is(native?.closeNamed(-1), false)
  const source = link.openCached(path, new Float64Array(STATUS.length))
  const command = new Float64Array(COMMAND.length)
  const report = new Float64Array(REPORT.room)
  command[COMMAND.target] = TARGET.socket
  command[COMMAND.destination] = -1
  command[COMMAND.source] = source
  command[COMMAND.count] = 10
  command[COMMAND.quantum] = 10
  for (const acknowledged of [0, 1]) {
    command[COMMAND.acknowledged] = acknowledged
    t.is(link.start(command, null, null, report), EVENT.progress)
    t.is(report[REPORT.end], END.failed)
    t.is(report[REPORT.errno], EBADF)
  }
  link.close(source)
})

kernelTest('memory shared with other threads is refused before anything is opened or read', (t) => {
  const link = connected()
  const descriptors = countDescriptors()
  const shared = new Float64Array(new SharedArrayBuffer(8 * Math.max(STATUS.length, REPORT.room)))
  const refusal = { message: /SharedArrayBuffer/ }
  t.throws(() => link.openCached(path, shared), refusal)
  t.throws(() => native?.openFileCached(path, shared), refusal)
  t.throws(() => link.start(new Float64Array(COMMAND.length), null, null, shared), refusal)
  t.throws(() => native?.readCached(0, new Uint8Array(new SharedArrayBuffer(10)), 0), refusal)
  t.is(countDescriptors(), descriptors)
})

kernelTest('a view of a larger ArrayBuffer is written at its own offset', (t) => {
  const status = new Float64Array(new ArrayBuffer(8 * (STATUS.length + 2)), 8, STATUS.length)
  const fd = native?.openFileCached(path, status) ?? -1
  t.true(fd >= 0)
  t.is(status[STATUS.size], file.bytes.length)
  t.deepEqual(readFileSync(fd), file.bytes)
  t.true(native?.closeNamed(fd))
})

kernelTest('events that do not fit into the array of one call are delivered by the next, in order', async (t) => {
  const waiting: (() => void)[] = []
  const link = connected(() => waiting.splice(0).forEach((resolve) => resolve()))
  const asked = Array.from({ length: 9 }, () => link.open(path))
  const taken: number[] = []
  const events = new Float64Array(REPORT.room)
  while (taken.length < asked.length) {
    await new Promise<void>((resolve) => waiting.push(resolve))
    while (link.takeEvents(events) > 0) {
      t.is(events[REPORT.kind], EVENT.opened)
      taken.push(events[REPORT.id] ?? -1)
    }
  }
  t.is(link.takeEvents(new Float64Array(1)), 0)
  t.deepEqual(
    taken.toSorted((a, b) => a - b),
    asked.toSorted((a, b) => a - b),
  )
  for (const id of asked) link.close(link.takeOpened(id, new Float64Array(STATUS.length)))
})
