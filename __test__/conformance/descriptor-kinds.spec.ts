// The result of Linux for every pair of descriptor kinds, and the result of sendfile(): section 4.1 of the survey this
// suite was made from, and its row M.
import { rmSync, writeFileSync } from 'node:fs'

import test, { type ExecutionContext } from 'ava'

import { type Attempt, attemptAll, type Attempted, cannotLaunch, summary } from '../fixtures/launched.ts'
import { destinations, elsewhere, METHODS, outcomeFrom, outcomeTo, settings, source, sources, TEN } from './kinds.ts'

const reason = cannotLaunch()
let ended: ReadonlyMap<string, Attempted>
let left: number | null
const closers: (() => void)[] = []

type Name = readonly [to: string, from: string]
const named = ([to, from]: Name): string => `to ${to} from ${from}`

function attempt(name: Name, rest: Omit<Attempt, 'name' | 'readFrom'>, readFrom: number | undefined): Attempt {
  return { name: named(name), ...rest, ...(readFrom === undefined ? {} : { readFrom }) }
}

test.before(async () => {
  if (reason !== undefined) return
  closers.push(() => [elsewhere, `${elsewhere}-source`].forEach((path) => rmSync(path, { force: true })))
  writeFileSync(`${elsewhere}-source`, TEN)
  const to = destinations.flatMap(({ kind, end, readFrom }) =>
    METHODS.map((method) => attempt([kind, method], { out: end, source, options: { method } }, readFrom)),
  )
  const from = sources.flatMap(({ kind, end, options = {}, feed, text }) => {
    const rest = { source: end, options, ...(feed === undefined ? {} : { feed }) }
    return [
      attempt(['pipe', kind], { out: 121, ...rest }, text === undefined ? undefined : 120),
      attempt(['socket', kind], { out: 110, ...rest }, text === undefined ? undefined : 111),
    ]
  })
  const teardown = (close: () => void): void => void closers.push(close)
  ;({ ended, left } = await attemptAll({ teardown }, settings, [...to, ...from]))
})

test.after.always(() => closers.forEach((close) => close()))

function ending(t: ExecutionContext, name: Name): Attempted | undefined {
  if (reason === undefined) return ended.get(named(name))
  t.log(`skipped: ${reason}`)
  t.pass()
  return undefined
}

for (const row of destinations) {
  const { kind, readFrom } = row
  test(`4.1: to ${kind}`, (t) => {
    for (const method of METHODS) {
      const found = ending(t, [kind, method])
      if (found === undefined) return
      t.is(summary(found), outcomeTo(row, method), method)
      t.is(found.bytesSent, found.code === 'ok' ? TEN.length : 0, method)
      if (found.code === 'ok' && readFrom !== undefined) t.is(found.text, TEN, method)
    }
  })
}

for (const row of sources) {
  const { kind, text } = row
  test(`4.1: from ${kind}`, (t) => {
    for (const to of ['pipe', 'socket'] as const) {
      const found = ending(t, [to, kind])
      if (found === undefined) return
      t.is(summary(found), outcomeFrom(row, to), to)
      t.is(found.bytesSent, found.text?.length ?? 0, to)
      if (found.code !== 'ok' || text === undefined) continue
      if (typeof text === 'string') t.is(found.text, text, to)
      else t.regex(found.text ?? '', text, to)
    }
  })
}

test('4.1: no pair of kinds leaves a descriptor open', (t) => {
  if (reason === undefined) return t.is(left, 0)
  t.log(`skipped: ${reason}`)
  return t.pass()
})
