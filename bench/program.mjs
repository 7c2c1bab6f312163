/** The frame of every benchmark program: usage errors first, then the namespace, then the work. */
import { enterNamespace } from './namespace.mjs'

/**
 * Exit codes: 0 done, 1 a body failed or the benchmark could not run, 2 usage.
 *
 * @template Settings
 * @param {() => Settings} parse throws what is wrong with the arguments
 * @param {(settings: Settings) => Promise<void>} main
 */
export async function runProgram(parse, main) {
  const end = (code) => (error) => {
    console.error(`bench: ${error.message}`)
    process.exit(code)
  }
  const settings = await Promise.resolve().then(parse).catch(end(2))
  enterNamespace()
  await main(settings).catch(end(1))
}

/** @returns {number} the option's value; throws unless it is a whole number from 1 */
export function wholeNumber(values, option) {
  const value = Number(values[option])
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${option} takes a whole number from 1`)
  return value
}
