// The contract: the promises of sendfile() for every destination, method and binding.
import type { TestFn } from 'ava'

import { support } from '../../index.ts'
import { countDescriptors, descriptorsSettleAt, restingDescriptors } from '../fixtures/descriptors.ts'
import { warmEngine } from '../fixtures/warm-engine.ts'
import type { Connection, Kind, Wish } from './destinations.ts'
import { refusals, truncations } from './errors.ts'
import { METHOD_OPTIONS, type MethodOption, pathTo } from './paths.ts'
import { parts } from './parts.ts'
import { endings, ranges, streamRanges } from './ranges.ts'

/** Declares the tests for some kinds of destinations, by every method. */
export function contract(test: TestFn, kinds: readonly Kind[]): void {
  test.before(async () => {
    if (support().executor === 'kernel') await warmEngine()
    await restingDescriptors()
  })
  for (const kind of kinds) {
    if (kind.missing !== undefined) {
      test.serial(`${kind.name}: skipped`, (t) => {
        t.log(kind.missing)
        t.pass()
      })
      continue
    }
    for (const method of METHOD_OPTIONS) declare(test, kind, method)
  }
}

function declare(test: TestFn, kind: Kind, method: MethodOption): void {
  const path = pathTo(kind, method)
  const possible = {
    ...ranges,
    ...parts,
    ...truncations,
    ...(kind.isBorrowed === true ? {} : endings),
    ...(kind.isDescriptor === true ? {} : streamRanges),
  }
  const checks = path.possible ? possible : refusals
  for (const [title, check] of Object.entries(checks)) {
    test.serial(`${kind.name}, ${method}: ${title}`, async (t) => {
      t.timeout(30_000)
      const connections: Connection[] = []
      const connect = async (wish: Wish): Promise<Connection> => {
        const connection = await kind.connect(wish)
        connections.push(connection)
        return connection
      }
      const before = countDescriptors()
      try {
        await check({ t, kind, path, options: { method }, connect })
      } finally {
        await Promise.all(connections.map(({ close }) => close()))
      }
      t.is(await descriptorsSettleAt(before), before, 'every descriptor is closed again')
    })
  }
}
