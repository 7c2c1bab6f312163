/** Parsers for the output of test runners: the number of passed tests, and the names of failed ones. */

const names = (output, pattern) => [...output.matchAll(pattern)].map(([, name]) => name).toSorted()

const FORMATS = {
  /** Test Anything Protocol; a test with subtests counts besides them. Skipped tests and known failures do not count. */
  tap: (output) => ({
    passed: (output.match(/^ *ok \d+(?!.*# (?:SKIP|TODO))/gim) ?? []).length,
    failed: names(output, /^ *not ok \d+(?!.*# TODO)(?: -)? *(.*?)(?: # time=.*)?$/gim),
  }),
  /** Ends with the totals; `FAIL  suite "name"` before them. */
  uvu: (output) => ({
    passed: Number(/Passed: +(\d+)/.exec(output)?.[1] ?? 0),
    failed: names(output, /^ *FAIL +(.*)$/gm),
  }),
}

/** @param {string} output without colors */
export function parseResults(output, format = 'tap') {
  return FORMATS[format](output)
}
