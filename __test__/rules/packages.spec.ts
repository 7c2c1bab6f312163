// package-lock.json: the requirements of `npm ci` on every machine.
import { readFileSync } from 'node:fs'
import test from 'ava'

type Locked = Readonly<{
  optional?: boolean
  dependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
}>
const text = readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8')
const { packages }: { packages: Record<string, Locked> } = JSON.parse(text)

/** Where Node finds a package from the folder of another: beside it, or further up. */
function found(from: string, name: string): boolean {
  const place = from === '' ? `node_modules/${name}` : `${from}/node_modules/${name}`
  if (packages[place] !== undefined) return true
  if (from === '') return false
  const [, above = ''] = /^(.*?)\/?node_modules\/(?:@[^/]+\/)?[^/]+$/.exec(from) ?? []
  return found(above, name)
}

// npm omits an optional package that the registry lacks, and `npm ci` then refuses the lock file everywhere
test('the lock file contains every dependency of its packages, including those of other platforms', (t) => {
  const missing = Object.entries(packages).flatMap(([path, { dependencies, optionalDependencies }]) =>
    Object.keys({ ...dependencies, ...optionalDependencies })
      .filter((name) => !found(path, name))
      .map((name) => `${path} names ${name}`),
  )
  t.true(Object.keys(packages).length > 100)
  t.deepEqual(missing, [])
})
