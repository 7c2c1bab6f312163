// A process ends at every stage of a transfer: with its own code, without a signal or output, and soon.
import { run } from '../fixtures/child-process.ts'
import { within } from '../fixtures/within.ts'
import { BOUND, declareAt, stageArguments, STAGES } from './stages.ts'

const ENDINGS = [
  ['process.exit()', 7],
  ['an uncaught exception', 1],
  ['the end of all work', 0],
  ["its parent's process.exit()", 7],
] as const

for (const [ending, code] of ENDINGS) {
  for (const stage of STAGES) {
    declareAt(stage)(`${ending}: ${stage}`, async (t) => {
      const child = run(t, 'staged.ts', stageArguments(stage, ending))
      const exit = await within(child.exit, 'the exit', BOUND)
      t.like(exit, { code, signal: null, stdout: '' })
      if (code === 1)
        t.regex(
          exit.stderr,
          /^\S+\n[^\n]*\n *\^\n\s*Error: the end of this environment\n(?: +at .*\n)*\nNode\.js \S+\n$/,
        )
      else t.is(exit.stderr, '')
      t.notRegex(exit.stderr, /panic/)
    })
  }
}
