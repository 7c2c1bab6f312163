/**
 * npm run soak -- [--seconds N] [--seed N] [--index N]
 *
 * Transfers of every kind to every destination, interrupted in every way, for ten minutes: each body is compared by its
 * SHA-256, and descriptors, memory and threads must not grow. The seed determines the plan; `--index` runs only one
 * transfer of it.
 */
import { randomInt } from 'node:crypto'

import { Misused, program } from '../scripts/dev/program.mjs'

const OPTIONS = { seconds: { type: 'string', default: '600' }, seed: { type: 'string' }, index: { type: 'string' } }

await program(import.meta, { options: OPTIONS }, async ({ values }) => {
  const seconds = Number(values.seconds)
  const seed = Number(values.seed ?? randomInt(2 ** 31))
  if (!(seconds > 0) || !Number.isSafeInteger(seed)) throw new Misused('--seconds and --seed must be numbers')
  const { runSoak } = await import('./rounds.mjs')
  await runSoak({ seconds, seed, index: values.index === undefined ? undefined : Number(values.index) })
})
