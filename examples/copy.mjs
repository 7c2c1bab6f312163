// Copies a file in the kernel, with progress, a limit and a way to give up. Usage: node examples/copy.mjs FROM TO [bytes/s]
import { open } from 'node:fs/promises'

import { sendfile } from 'sendfile64'

const [from, to, rate = '0'] = process.argv.slice(2)
if (from === undefined || to === undefined) {
  console.error('usage: node examples/copy.mjs FROM TO [bytes per second]')
  process.exit(2)
}

const interrupted = new AbortController()
process.once('SIGINT', () => interrupted.abort())

const destination = await open(to, 'w')
try {
  const { bytesSent, method, durationMs } = await sendfile(destination, from, {
    end: true,
    rate: Number(rate),
    signal: interrupted.signal,
    onProgress: ({ bytesSent, total }) => console.error(`${bytesSent} of ${total ?? 'unknown'} bytes`),
  })
  console.log(`${bytesSent} bytes by ${method} in ${Math.round(durationMs)} ms`)
} catch (error) {
  await destination.close()
  console.error(`${error.code}: ${error.message}; ${error.bytesSent ?? 0} bytes are copied`)
  process.exitCode = 1
}
