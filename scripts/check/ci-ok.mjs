// The last job of CI: usage: NEEDS='${{ toJSON(needs) }}' node scripts/check/ci-ok.mjs
// A job that failed, was canceled or was skipped is not a success, even if GitHub accepts it.
import { program, Unprepared } from '../dev/program.mjs'

await program(import.meta, {}, () => {
  const needs = Object.entries(JSON.parse(process.env.NEEDS ?? '{}'))
  if (needs.length === 0) throw new Unprepared('NEEDS contains no job')
  const missed = needs.filter(([, { result }]) => result !== 'success')
  for (const [name, { result }] of missed) console.error(`ci-ok: ${name}: ${result}`)
  console.log(`ci-ok: ${needs.length - missed.length} of ${needs.length} jobs succeeded`)
  return missed.length === 0 ? 0 : 1
})
