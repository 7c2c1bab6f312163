/** Medians, ratios within each round, and discarded rows. */

export function median(values) {
  const sorted = values.filter((value) => Number.isFinite(value)).toSorted((a, b) => a - b)
  if (sorted.length === 0) return undefined
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

function figure(value) {
  if (value === undefined || !Number.isFinite(value)) return '-'
  const size = Math.abs(value)
  return value.toFixed(size >= 100 || value === 0 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3)
}

function withSpread(values) {
  const known = values.filter((value) => Number.isFinite(value))
  if (known.length < 2) return figure(known[0])
  return `${figure(median(known))} [${figure(Math.min(...known))}-${figure(Math.max(...known))}]`
}

/** @param {string[][]} rows the first one is the heading */
export function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  const line = (row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ')
  return [line(rows[0]), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.slice(1).map(line)].join('\n')
}

/** Rows are compared within the same round, so that a slow minute affects both rivals. */
function ratio(rows, rival, other, column) {
  const values = rows
    .filter((row) => row.rival === rival)
    .map(
      (row) =>
        row[column] / rows.find((candidate) => candidate.rival === other && candidate.round === row.round)?.[column],
    )
  return figure(median(values))
}

const HEADING = [
  'rival',
  'MiB/s',
  'requests/s',
  'p99 ms',
  'CPU s/GiB',
  'CPU us/request',
  'loop ms/GiB',
  'MiB/s : raw',
  'CPU : raw',
  'MiB/s : stock',
  'CPU : stock',
  'loop : stock',
  'rounds',
]

function line(rows, rival) {
  const own = rows.filter((row) => row.rival === rival)
  const column = (name) => own.map((row) => row[name])
  return [
    rival,
    withSpread(column('mib_per_s')),
    figure(median(column('requests_per_s'))),
    figure(median(column('p99_us')) / 1000),
    withSpread(column('cpu_s_per_gib')),
    figure(median(column('cpu_us_per_request'))),
    figure(median(column('loop_active_ms_per_gib'))),
    ratio(rows, rival, 'raw', 'mib_per_s'),
    ratio(rows, rival, 'raw', 'cpu_s_per_gib'),
    ratio(rows, rival, 'stock', 'mib_per_s'),
    ratio(rows, rival, 'stock', 'cpu_s_per_gib'),
    ratio(rows, rival, 'stock', 'loop_active_ms_per_gib'),
    String(own.length),
  ]
}

/** The change of each rival against an earlier build: requests and CPU, within each round. */
function comparedWithBefore(rows, rivals) {
  const pairs = rivals.filter((rival) => rivals.includes(`${rival}-before`))
  const cells = (rival) => {
    const by = (column) => ratio(rows, rival, `${rival}-before`, column)
    return [rival, by('requests_per_s'), by('cpu_us_per_request')]
  }
  return pairs.length === 0 ? '' : `\n${table([['to before', 'requests/s', 'CPU'], ...pairs.map(cells)])}\n`
}

/** Reasons why a row is less reliable. */
function remarksOn(row) {
  const where = `${row.scenario}, round ${row.round}, ${row.rival}`
  const remarks = []
  if (!row.valid) remarks.push(`discarded: ${where}: ${row.failed} failed, ${row.short} of them short`)
  if (row.resident_after < 1)
    remarks.push(
      `not in the page cache until the end: ${where}: ${((1 - row.resident_after) * 100).toFixed(1)} % of the file was evicted`,
    )
  if (row.client_busy > 0.9)
    remarks.push(`the client was the limit: ${where}: its threads were ${Math.round(row.client_busy * 100)} % busy`)
  if (row.rival === 'sendfile64' && row.methods.replace(/^sendfile:\d+$/, '') !== '') {
    remarks.push(`not all bodies by sendfile: ${where}: ${row.methods}`)
  }
  const busy = row.server_cpu_s + row.client_cpu_s + row.other_cpu_s
  if (row.other_cpu_s > 0.2 * busy && row.other_cpu_s > 0.1) {
    remarks.push(`disturbed: ${where}: ${row.other_cpu_s.toFixed(2)} s of CPU by other processes`)
  }
  return remarks
}

/**
 * @param {object[]} rows
 * @param {string[]} scenarioNames
 * @param {string[]} rivals
 * @returns {string} a table for each scenario and the remarks
 */
export function report(rows, scenarioNames, rivals) {
  const parts = scenarioNames.map((name) => {
    const valid = rows.filter((row) => row.scenario === name && row.valid)
    return `\n${name}: medians [least-most]; ratios are medians of the ratios within a round\n${table([HEADING, ...rivals.map((rival) => line(valid, rival))])}\n${comparedWithBefore(valid, rivals)}`
  })
  const remarks = rows.flatMap(remarksOn)
  return parts.join('') + (remarks.length === 0 ? '' : `\n${remarks.join('\n')}\n`)
}

/** One line of comma-separated values; a cell is quoted if necessary (RFC 4180). */
export function csvLine(cells) {
  const text = (cell) =>
    typeof cell === 'number' && !Number.isInteger(cell) ? String(Number(cell.toPrecision(6))) : String(cell ?? '')
  return `${cells
    .map(text)
    .map((cell) => (/[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell))
    .join(',')}\n`
}
