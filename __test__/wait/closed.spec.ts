import { EventEmitter } from 'node:events'
import test from 'ava'

import { unwatch, watch } from '../../lib/wait/closed.ts'

/** A watcher, and the errors it has received. */
function watcher(): { readonly heard: unknown[]; closed(error: unknown): void } {
  const heard: unknown[] = []
  return { heard, closed: (error) => void heard.push(error) }
}

for (const first of [true, false]) {
  test(`each watcher receives errors only if it asked for them (${first})`, (t) => {
    const stream = new EventEmitter()
    const [one, other] = [watcher(), watcher()]
    watch(stream, one, { errors: first })
    watch(stream, other, { errors: !first })
    const error = new Error('gone')
    stream.emit('error', error)
    t.deepEqual([one.heard, other.heard], first ? [[error], []] : [[], [error]])
    stream.emit('close')
    t.deepEqual([one.heard.at(-1), other.heard.at(-1)], [undefined, undefined])
  })
}

test('an error is uncaught again after the last watcher that asked for errors has left', (t) => {
  const stream = new EventEmitter()
  const [one, other] = [watcher(), watcher()]
  watch(stream, one, { errors: true })
  watch(stream, other, { errors: false })
  unwatch(stream, one)
  t.is(stream.listenerCount('error'), 0)
  t.throws(() => stream.emit('error', new Error('heard')), { message: 'heard' })
  unwatch(stream, other)
  t.is(stream.listenerCount('close'), 0)
})

test('any number of watchers use one listener', (t) => {
  const stream = new EventEmitter()
  const watchers = Array.from({ length: 20 }, watcher)
  for (const each of watchers) watch(stream, each, { errors: true })
  t.deepEqual([stream.listenerCount('close'), stream.listenerCount('error')], [1, 1])
  for (const each of watchers) unwatch(stream, each)
  t.deepEqual([stream.listenerCount('close'), stream.listenerCount('error')], [0, 0])
})
