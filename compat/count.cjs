// Preloaded with sendfile64/register: counts the transfers of the process, and adds them to the file $COMPAT_COUNT.
'use strict'
const { appendFileSync } = require('node:fs')
const { tracingChannel } = require('node:diagnostics_channel')
// oxlint-disable-next-line import/no-unassigned-import -- it is what is counted
require('../dist/register.cjs')

const counts = { sendfile: 0, copy: 0 }
tracingChannel('sendfile64.transfer').subscribe({
  asyncEnd({ result }) {
    if (result?.bytesSent > 0) counts[result.method] = (counts[result.method] ?? 0) + 1
  },
})
process.on('exit', () => {
  if (process.env.COMPAT_COUNT) appendFileSync(process.env.COMPAT_COUNT, `${JSON.stringify(counts)}\n`)
})
