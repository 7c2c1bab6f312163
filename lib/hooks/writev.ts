/** Splits the chunks of one `_writev`, in order: ordinary chunks are written in runs, each marker separately. */
import { type Segment, segmentOf, type WriteCallback } from '../node/marker.ts'

/** The argument of `_writev`. */
export type Entries = { chunk: unknown; encoding: BufferEncoding; callback?: WriteCallback }[] & {
  allBuffers?: boolean
}

/** Writes the runs. */
export interface Runs {
  write(run: Entries, callback: WriteCallback): void
  /** The next run is the marker of `segment`. */
  writeBefore(segment: Segment, run: Entries, callback: WriteCallback): void
}

/** Writes the runs one after the other, each after the callback of the previous one. */
export function inTurn(entries: Entries, runs: Runs, callback: WriteCallback): void {
  let next = 0
  let looping = false
  let again = false
  // A synchronous callback continues the loop instead of recursing, because thousands of chunks may be queued.
  const step = (error?: Error | null): void => {
    if (error) return callback(error)
    again = true
    if (looping) return
    looping = true
    while (again) {
      again = false
      if (next === entries.length) return callback()
      const from = next
      next = runEnd(entries, from)
      writeRun(entries, from, next, runs, step)
    }
    looping = false
  }
  step()
}

/** The end of the run that starts at `from`: a single marker, or ordinary chunks up to the next marker. */
function runEnd(entries: Entries, from: number): number {
  if (segmentOf(entries[from]?.chunk) !== undefined) return from + 1
  const end = entries.findIndex(({ chunk }, index) => index > from && segmentOf(chunk) !== undefined)
  return end === -1 ? entries.length : end
}

function writeRun(entries: Entries, from: number, to: number, runs: Runs, callback: WriteCallback): void {
  const run: Entries = entries.slice(from, to)
  if (entries.allBuffers !== undefined) run.allBuffers = entries.allBuffers
  const marked = segmentOf(run[0]?.chunk) !== undefined
  const next = marked ? undefined : segmentOf(entries[to]?.chunk)
  if (next === undefined) runs.write(run, callback)
  else runs.writeBefore(next, run, callback)
}
