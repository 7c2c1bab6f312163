// binding.d.cts is generated with the addon and committed, so that TypeScript is green in a clone that has built nothing.
import { readFileSync } from 'node:fs'
import test from 'ava'
import ts from 'typescript'

import { native } from '../../lib/native/load.ts'

const path = new URL('../../binding.d.cts', import.meta.url)

/** The exports of the declaration, and the methods of its classes: `sendfile`, `Planner.next`. */
function declared(): string[] {
  const { statements } = ts.createSourceFile('binding.d.cts', readFileSync(path, 'utf8'), ts.ScriptTarget.Latest)
  return statements.flatMap((statement) => {
    if (ts.isFunctionDeclaration(statement)) return statement.name?.text ?? []
    if (!ts.isClassDeclaration(statement) || statement.name === undefined) return []
    const { name, members } = statement
    const methods = members.flatMap((member) =>
      ts.isMethodDeclaration(member) || ts.isGetAccessor(member) ? [member.name] : [],
    )
    return [name.text].concat(methods.flatMap((one) => (ts.isIdentifier(one) ? `${name.text}.${one.text}` : [])))
  })
}

function exported(binding: object): string[] {
  return Object.entries(binding).flatMap(([name, value]) => {
    const members = Object.getOwnPropertyNames(Object(value).prototype ?? {}).filter((own) => own !== 'constructor')
    return [name].concat(members.map((member) => `${name}.${member}`))
  })
}

;(native === undefined ? test.skip : test)('binding.d.cts declares what the addon exports', (t) => {
  t.true(declared().length > 20)
  t.deepEqual(declared().toSorted(), exported(native ?? {}).toSorted())
})
