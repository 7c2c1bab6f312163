// The CommonJS entries of dist/. Every entry is `require()` of the ES module, so both share one state: Node loads a
// synchronous ES module by require() from 20.19 and 22.12, which `engines` requires.
// Not `tshy` or `tsdown`: they compile every module a second time, with a state of its own. Not a `default` condition
// without .cjs: TypeScript reports TS1479 to CommonJS users under node16 and node18.
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative, sep } from 'node:path'

/**
 * Writes `X.cjs` for each entry of `exports` with a `require` condition, and a `.d.cts` beside each `.d.ts`.
 * The types are copied, all of them, with specifiers that every resolution of TypeScript finds: a `.d.cts` that
 * points to a `.d.ts` is an error (TS1479) under node16 and node18.
 *
 * @throws Error when the folder holds no declaration, an entry has no module, or a specifier leads nowhere
 */
export function writeCommonJsEntries(dist, { exports, imports = {} }) {
  const declarations = readdirSync(dist, { recursive: true }).filter((name) => name.endsWith('.d.ts'))
  if (declarations.length === 0) throw new Error(`no .d.ts file in ${dist}: npm run build:ts`)
  for (const name of declarations) writeDeclaration(join(dist, name), dist, imports)

  const entries = Object.values(exports).flatMap((target) => target.require?.default ?? [])
  if (entries.length === 0) throw new Error('package.json has no export with a require condition')
  for (const entry of entries) writeEntry(join(dirname(dist), entry))
  console.log(`dist: ${entries.length} CommonJS entries, ${declarations.length} declarations for them`)
}

function writeEntry(path) {
  const module = path.replace(/\.cjs$/, '.js')
  if (!existsSync(module)) throw new Error(`${path} has no ES module next to it`)
  const types = module.replace(/\.js$/, '.d.cts')
  if (!existsSync(types)) throw new Error(`${path} has no types next to it`)
  const load = `require('./${basename(module)}');\n`
  const exportsNothing = readFileSync(types, 'utf8').includes('export {};')
  writeFileSync(path, `'use strict';\n${exportsNothing ? OUTSIDE_HOOKS + load : `module.exports = ${load}`}`)
}

/**
 * An entry without exports is preloaded: Node 22 does that in the thread of module hooks as well, which cannot
 * require() an ES module (ERR_METHOD_NOT_IMPLEMENTED) and makes no streams. Elsewhere than in a worker, where
 * process.abort is disabled, node:worker_threads is not loaded: it replaces process.chdir.
 */
const OUTSIDE_HOOKS =
  "if (process.abort.disabled !== true || require('node:worker_threads').isInternalThread !== true) "

function writeDeclaration(path, dist, imports) {
  const source = readFileSync(path, 'utf8').replace(/(['"])(#[^'"]+)\1/g, (_, quote, name) => {
    const target = imports[name]?.types?.replace(/\.d\.cts$/, '.cjs')
    if (target === undefined) throw new Error(`${path} imports ${name}, which package.json does not define`)
    return (
      quote +
      relative(dirname(path), join(dirname(dist), target))
        .split(sep)
        .join('/') +
      quote
    )
  })
  // TypeScript's older resolution, which is still in use, does not support `imports` of package.json
  writeFileSync(path, source)

  // tsc leaves the relative specifiers of a declaration as they are in the source: './lib/errors.ts'
  const text = source.replace(/(['"])(\.{1,2}\/[^'"]+)\.(?:ts|js)\1/g, (_, quote, specifier) => {
    if (!existsSync(join(dirname(path), `${specifier}.d.ts`)))
      throw new Error(`${path} imports ${specifier}, which is not in dist`)
    return `${quote}${specifier}.cjs${quote}`
  })
  writeFileSync(path.replace(/\.d\.ts$/, '.d.cts'), text)
}
