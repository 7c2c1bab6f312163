/** The frame of every benchmark program: checks its arguments, enters the namespace, then runs. */
import { Misused, program, Unprepared } from '../scripts/dev/program.mjs'
import { enterNamespace } from './namespace.mjs'

export { wholeNumber } from '../scripts/dev/program.mjs'

/**
 * Exit codes: 0 done, 1 a body failed or the benchmark could not run, 2 usage.
 *
 * @template Settings
 * @param {ImportMeta} module
 * @param {import('node:util').ParseArgsConfig['options']} options
 * @param {(values: Record<string, any>) => Settings} settingsOf throws an Error about wrong arguments
 * @param {(settings: Settings) => Promise<void>} main
 */
export function runProgram(module, options, settingsOf, main) {
  const as = (Kind) => (error) => {
    throw error instanceof Unprepared ? error : new Kind(`bench: ${error.message}`, { cause: error })
  }
  return program(module, { options }, async ({ values }) => {
    const settings = await Promise.resolve(values).then(settingsOf).catch(as(Misused))
    enterNamespace()
    await main(settings).catch(as(Unprepared))
  })
}
