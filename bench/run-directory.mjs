/** The directory of a run's rows: bench/runs/<date>-<label>/; an existing run is never overwritten. */
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { csvLine } from './report.mjs'

const runs = fileURLToPath(new URL('./runs/', import.meta.url))

function makeFresh(name) {
  mkdirSync(runs, { recursive: true })
  for (let number = 1; ; number++) {
    const directory = join(runs, number === 1 ? name : `${name}-${number}`)
    try {
      mkdirSync(directory)
      return directory
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
  }
}

/**
 * @param {{ label?: string, file: string, columns: string[], environment: string }} options
 * @returns {{ directory: string, add: (row: object) => void }} add writes each row immediately, so that an interrupted
 * run keeps its rows
 */
export function openRun({ label = hostname(), file, columns, environment }) {
  const date = new Date().toISOString().slice(0, 10)
  const directory = makeFresh(`${date}-${label.replace(/[^\w.-]+/g, '-')}`)
  writeFileSync(join(directory, 'ENV'), environment)
  writeFileSync(join(directory, file), csvLine(columns))
  return {
    directory,
    add: (row) => appendFileSync(join(directory, file), csvLine(columns.map((name) => row[name]))),
  }
}
