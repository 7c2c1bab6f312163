// The frame of every program here: `--help`, unknown options, and one sentence if a prerequisite is missing.
// No dependency: it runs before anything is installed.
import { readFileSync, realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

/** A missing prerequisite: printed without a stack, exit code 1. */
export class Unprepared extends Error {}

/** Wrong arguments: printed with a hint to --help, exit code 2. */
export class Misused extends Error {}

/**
 * Runs `main` if Node was started with this module. `--help` prints the comment at the top of the module.
 * The exit code is what `main` returns, 0 by default.
 *
 * @param {ImportMeta} module
 * @param {{ options?: import('node:util').ParseArgsConfig['options'], positionals?: boolean }} takes
 * @param {(given: { values: Record<string, any>, positionals: string[] }) => unknown} main
 */
export async function program(module, { options = {}, positionals = false }, main) {
  const path = fileURLToPath(module.url)
  if (process.argv[1] === undefined || realpathSync(process.argv[1]) !== path) return
  const known = { ...options, help: { type: 'boolean', default: false } }
  try {
    const given = parse({ options: known, allowPositionals: positionals })
    if (given.values.help) console.log(commentOf(path))
    else process.exitCode = (await main(given)) ?? 0
  } catch (error) {
    const sentence = sentenceOf(error)
    if (sentence === undefined) throw error
    console.error(sentence)
    process.exitCode = error instanceof Misused ? 2 : 1
  }
}

/** @returns {number} the option's value; a usage error unless it is a whole number from 1 */
export function wholeNumber(values, option) {
  const value = Number(values[option])
  if (!Number.isInteger(value) || value < 1) throw new Misused(`--${option} must be an integer from 1`)
  return value
}

function parse(config) {
  try {
    return parseArgs(config)
  } catch (error) {
    throw new Misused(error.message, { cause: error })
  }
}

/** What the user must do; undefined for a fault of the program. */
function sentenceOf(error) {
  if (error instanceof Misused) return `${error.message} (--help shows the usage)`
  if (error instanceof Unprepared) return error.message
  if (error.code === 'ENOENT' && error.syscall?.startsWith('spawn')) return `${error.path} was not found: install it`
  if (error.code !== 'ERR_MODULE_NOT_FOUND') return undefined
  if (error.message.includes('/dist/')) return 'not built: npm run build'
  return error.message.startsWith('Cannot find package') ? 'npm packages are missing: npm run setup' : undefined
}

function commentOf(path) {
  const [text] = /^(?:\/\/.*\n)+|^\/\*\*[^]*?\*\//.exec(readFileSync(path, 'utf8').replace(/^#!.*\n/, '')) ?? ['']
  return text
    .replaceAll(/^(?:\/\*\*|\/\/| \*\/| \*) ?/gm, '')
    .replace(/ ?\*\/$/, '')
    .trim()
}
