/** Takes several chunks of one `_writev` apart: ordinary ones go on in runs, each marker by itself, all in their order. */
import { type Segment, segmentOf, type WriteCallback } from './marker.ts'

/** What Writable hands to `_writev`. */
export type Entries = { chunk: unknown; encoding: BufferEncoding; callback?: WriteCallback }[] & {
  allBuffers?: boolean
}

/** Where the runs go. */
export interface Runs {
  write(run: Entries, callback: WriteCallback): void
  /** The next run is the marker of `segment`. */
  writeBefore(segment: Segment, run: Entries, callback: WriteCallback): void
}

/** Writes one run after the other, each when the one before has called back. */
export function inTurn(entries: Entries, runs: Runs, callback: WriteCallback): void {
  let next = 0
  let looping = false
  let again = false
  // What calls back at once comes round in the loop, not by recursion: thousands of chunks may be queued.
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

/** The end of the run that begins at `from`: a marker alone, or ordinary chunks up to the next one. */
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
