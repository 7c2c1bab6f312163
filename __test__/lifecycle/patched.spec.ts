// A replaced method of Node's prototypes sees the real bytes or is not called for them: it never sees a marker.
import { once } from 'node:events'
import http from 'node:http'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import test from 'ava'

import { buildIfStale, linkedProject } from '../fixtures/built-package.ts'
import { run } from '../fixtures/child-process.ts'
import { METHOD } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { within } from '../fixtures/within.ts'

/** More than a connection holds while its client does not read. */
const file = sampleFile(24 << 20)
let entry = ''

test.before(() => {
  buildIfStale()
  entry = pathToFileURL(join(linkedProject(), 'node_modules/sendfile64/dist/index.js')).href
})

type Way = 'stream' | 'sendfile'

/** The replaced methods, and the ways of sending whose bytes pass through them: the kernel sends those of the other. */
const SEEN_BY: Readonly<Record<string, readonly Way[]>> = {
  'OutgoingMessage.write': ['stream', 'sendfile'],
  'ServerResponse.write': ['stream', 'sendfile'],
  'OutgoingMessage._send': ['stream', 'sendfile'],
  'OutgoingMessage._writeRaw': ['stream', 'sendfile'],
  'Socket.write': ['stream', 'sendfile'],
  'Socket._write': ['stream', 'sendfile'],
  'Socket._writeGeneric': ['stream', 'sendfile'],
  'Readable.push': ['stream'],
  'EventEmitter.on, and its listeners': ['stream'],
  'EventEmitter.on': [],
  'EventEmitter.emit': [],
  'OutgoingMessage.end and ServerResponse.writeHead': [],
}

for (const when of ['before', 'after', 'between'] as const) {
  for (const [method, ways] of Object.entries(SEEN_BY)) {
    for (const how of ['stream', 'sendfile'] as const) {
      // A listener is wrapped when it is added.
      const isSeen = ways.includes(how) && !(when === 'between' && method.endsWith('listeners'))
      const moment = { before: 'before the package is loaded', after: 'after that', between: 'between two segments' }
      test.serial(
        `${method} replaced ${moment[when]}, ${how}: ${isSeen ? 'sees every byte' : 'by the kernel'}`,
        async (t) => {
          t.timeout(30_000)
          const child = run(t, 'patched.mjs', [entry, file.path, method, when, how], { execArgv: [] })
          const [, port = ''] = /port (\d+)/.exec(await child.writes(/port \d+\n/)) ?? []
          const request = http.get({ host: '127.0.0.1', port, agent: false })
          const [response]: unknown[] = await within(once(request, 'response'), 'the headers')
          if (!(response instanceof http.IncomingMessage)) throw new TypeError('no response')
          await child.writes(/patched\n/)
          t.is(sha256(await within(buffer(response), 'the body', 20_000)), sha256(file.bytes))
          const { stdout, stderr, code } = await child.exit
          t.deepEqual([code, stderr], [0, ''])
          const said: unknown = JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
          const codes = METHOD === 'sendfile' ? { codes: ['WRAPPED'] } : {}
          if (isSeen) t.like(said, { seen: when === 'between' ? 'the rest' : 'all', ...codes })
          else if (METHOD === 'sendfile') t.like(said, { seen: 'nothing', method: METHOD, codes: [] })
        },
      )
    }
  }
}
