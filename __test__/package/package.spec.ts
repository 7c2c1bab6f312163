// The installed package: both entries, their types, and the error without a binding.
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

import test, { type ExecutionContext } from 'ava'

import * as http from '../../http.ts'
import * as source from '../../index.ts'
import { buildIfStale, compile, linkedProject, partialProject } from '../fixtures/built-package.ts'
import { sampleFile } from '../fixtures/sample-file.ts'

test.before(() => buildIfStale())

/** Runs a script in a project, and returns the JSON that it prints. */
function run(folder: string, name: string, script: string, env: NodeJS.ProcessEnv = {}): Record<string, unknown> {
  const path = join(folder, name)
  writeFileSync(path, script)
  // The loader of the tests must be absent: users do not have it.
  return JSON.parse(
    execFileSync(process.execPath, [path], {
      cwd: folder,
      env: { ...process.env, NODE_OPTIONS: '--disable-warning=ExperimentalWarning', ...env },
      encoding: 'utf8',
      timeout: 30_000,
    }),
  )
}

test.serial('import and require return the same functions with one state', (t) => {
  const script = `
    import { createRequire } from 'node:module'
    import * as imported from 'sendfile64'
    const required = createRequire(import.meta.url)('sendfile64')
    const names = Object.keys(imported).sort()
    console.log(JSON.stringify({
      names,
      same: names.filter((name) => required[name] === imported[name]),
      binding: required.support().binding,
    }))
  `
  const names = Object.keys(source).toSorted()
  t.deepEqual(run(linkedProject(), 'both.mjs', script), { names, same: names, binding: source.support().binding })
})

test.serial('sendfile64/http: import and require return the same functions', (t) => {
  const script = `
    import { createRequire } from 'node:module'
    import * as imported from 'sendfile64/http'
    const required = createRequire(import.meta.url)('sendfile64/http')
    const names = Object.keys(imported).sort()
    const same = names.filter((name) => required[name] === imported[name])
    console.log(JSON.stringify({ names, same, length: imported.serveStatic('.').length }))
  `
  const names = Object.keys(http).toSorted()
  t.deepEqual(names, ['serveFile', 'serveStatic'])
  t.deepEqual(run(linkedProject(), 'http.mjs', script), { names, same: names, length: 3 })
})

test.serial('a CommonJS program needs no other package', (t) => {
  const { path } = sampleFile(10_000)
  const script = `
    const { PassThrough } = require('node:stream')
    const { sendfile, support, SendfileError } = require('sendfile64')
    const sink = new PassThrough().resume()
    sendfile(sink, ${JSON.stringify(path)}, { end: true }).then(async ({ bytesSent }) => {
      const error = await sendfile(sink, ${JSON.stringify(path)}).catch((error) => error)
      const refused = error instanceof SendfileError && error.code
      console.log(JSON.stringify({ bytesSent, refused, version: typeof support().version }))
    })
  `
  const expected = { bytesSent: 10_000, refused: 'ERR_SENDFILE_DESTINATION', version: 'string' }
  t.deepEqual(run(linkedProject(), 'program.cjs', script), expected)
})

const CONSUMER = `
  import http from 'node:http'
  import net from 'node:net'
  import { open } from 'node:fs/promises'
  import { PassThrough } from 'node:stream'
  import 'sendfile64/register'
  import { serveFile, serveStatic, type ServeOptions, type ServeResult, type StaticHandler } from 'sendfile64/http'
  import {
    createReadStream, ReadStream, sendfile, sendfileSync, support, SendfileError,
    type DestinationArgument, type Fallback, type Method, type MethodSupport, type Progress, type SendfileErrorCode,
    type ReadStreamOptions, type SendfileOptions, type SendfileResult, type SourceArgument, type StreamTransfer,
    type Support, type TransferContext,
  } from 'sendfile64'

  export async function check(socket: net.Socket, response: http.ServerResponse, request: http.ClientRequest) {
    const options: SendfileOptions = { offset: 5n, count: 10, end: true, method: 'auto', signal: AbortSignal.timeout(1) }
    const every: SendfileOptions = {
      offset: null, count: 2n ** 40n, headers: new Uint8Array(1), trailers: [Buffer.from('a'), new Uint8Array(2)],
      stallTimeout: 1000, rate: 1e6, burst: 1e5, progressInterval: 50, quantum: 65536, until: 'acknowledged',
      method: 'copy_file_range', end: false, bigint: true,
      onProgress({ bytesSent, total, method }: Progress) {
        const left: number = total === null ? NaN : total - bytesSent
        const by: Method = method
        console.log(left, by)
      },
    }
    const none: SendfileOptions = { headers: undefined, rate: undefined, onProgress: undefined, until: undefined }
    const result: SendfileResult = await sendfile(socket, '/file', options)
    const bytes: number = result.bytesSent + result.offset + result.syscalls + result.wouldBlock + result.durationMs
    const big: SendfileResult<bigint> = await sendfile(response, new URL('file:///file'), { bigint: true })
    const sum: bigint = big.bytesSent + big.offset
    const fallbacks: Fallback[] = result.fallbacks
    const method: Method = result.method
    const sources: SourceArgument[] = ['/file', Buffer.from('/file'), new Uint8Array(1), 3, await open('/file')]
    const least = { write(chunk: Uint8Array) { return chunk.length > 0 }, end() {}, on(event: string, listener: () => void) {} }
    const destinations: DestinationArgument[] = [socket, response, request, new PassThrough(), process.stdout, least, 1, await open('/out', 'w')]
    const once = sendfileSync(1, 2, null, 5n)
    const next: number | bigint | null = once.offset
    const found: Support = support()
    const state: MethodSupport['state'] = found.methods.sendfile.state
    const streamOptions: ReadStreamOptions = { start: 1, segment: 1 << 20, method: 'auto', rate: 1e6 }
    class Mine extends ReadStream { mine = 1 }
    const streams: ReadStream[] = [createReadStream('/file', streamOptions), new ReadStream('/file', 'utf8'), new Mine('/file')]
    const transfer: StreamTransfer | undefined = streams[0]?.transfer
    const reported = (context: TransferContext): number | bigint | undefined => context.result?.bytesSent
    streams[0]?.pipe(response).on('finish', () => reported)
    const serving: ServeOptions = { etag: (path, { size }) => path + size, precompressed: ['br'], limiter: () => undefined }
    const handler: StaticHandler = serveStatic('/srv', serving)
    http.createServer(handler).on('request', (req, res) => handler(req, res, () => res.end()))
    const served = async (req: http.IncomingMessage): Promise<ServeResult> => serveFile(req, response, '/file', { root: '/srv' })
    // @ts-expect-error: not an option
    serveStatic('/srv', { maxage: 1 })
    // @ts-expect-error: not a method
    createReadStream('/file', { method: 'teleport' })
    // @ts-expect-error: not a method
    await sendfile(socket, '/file', { method: 'teleport' })
    // @ts-expect-error: not bytes
    await sendfile(socket, '/file', { headers: 'text' })
    // @ts-expect-error: not a time
    await sendfile(socket, '/file', { until: 'delivered' })
    // @ts-expect-error: not what it is called with
    await sendfile(socket, '/file', { onProgress: (sent: string) => sent })
    // @ts-expect-error: not a source
    await sendfile(socket, Symbol('file'))
    // @ts-expect-error: not a destination
    await sendfile('socket', '/file')
    try {
      return { bytes, sum, every, none, fallbacks, method, transfer, sources, destinations, next, state, once, served }
    } catch (error) {
      const code: SendfileErrorCode = 'ERR_SENDFILE_TRUNCATED'
      if (error instanceof SendfileError && error.code === code) return [error.bytesSent, error.offset, error.errno]
      throw error
    }
  }
`

const modes: Record<string, readonly string[]> = {
  node16: ['--module', 'node16', '--moduleResolution', 'node16'],
  nodenext: ['--module', 'nodenext', '--moduleResolution', 'nodenext'],
  bundler: ['--module', 'esnext', '--moduleResolution', 'bundler'],
}

for (const [mode, options] of Object.entries(modes)) {
  test.serial(`programs compile against the types as ES modules and CommonJS: ${mode}`, (t) => {
    t.timeout(60_000)
    const folder = linkedProject()
    const names = ['consumer.mts', 'consumer.cts']
    for (const name of names) writeFileSync(join(folder, name), CONSUMER)
    const common = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--esModuleInterop', '--types', 'node']
    const said = compile(folder, [...common, '--target', 'es2022', '--skipLibCheck', ...options, ...names])
    t.is(said, '')
  })
}

test.serial('without any binding, the package loads and the error names the remedy', (t) => {
  saysWhatToDo(t, partialProject(['package.json', 'dist']))
})

function saysWhatToDo(t: ExecutionContext, folder: string): void {
  const script = `
    import { PassThrough } from 'node:stream'
    import { sendfile, sendfileSync, support, SendfileError } from 'sendfile64'
    const plain = (error) => ({ ...error, message: error.message, known: error instanceof SendfileError })
    const attempt = (act) => { try { return act() } catch (error) { return plain(error) } }
    const sink = new PassThrough()
    const rejected = await sendfile(sink, process.argv[1]).catch(plain)
    const badArgument = await sendfile(sink, 5.5).catch(plain)
    const thrown = attempt(() => sendfileSync(1, 0, 0, 1))
    console.log(JSON.stringify({ support: support(), rejected, badArgument, thrown, length: sink.readableLength }))
  `
  const said = run(folder, 'without.mjs', script, { NAPI_RS_WASI_FLAVOR: '' })
  t.like(said, {
    support: {
      binding: 'none',
      methods: { sendfile: { state: 'unavailable' }, copy: { state: 'unavailable' } },
    },
    rejected: { code: 'ERR_SENDFILE_BINDING', name: 'SendfileError', known: true, bytesSent: 0, offset: 0 },
    badArgument: { code: 'ERR_OUT_OF_RANGE', known: false },
    thrown: { code: 'ERR_SENDFILE_BINDING', name: 'SendfileError', known: true },
    length: 0,
  })
  for (const part of ['rejected', 'thrown'] as const) checkHelp(t, textAt(said, part, 'message'))
  checkHelp(t, textAt(said, 'support', 'reason'))
}

function textAt(said: Record<string, unknown>, part: string, name: string): string {
  return String(Reflect.get(Object(said[part]), name))
}

/** Sentences that name what was tried and what to do: neither a stack nor a list of modules. */
function checkHelp(t: ExecutionContext, text: string): void {
  t.true(text.includes(`${process.platform} ${process.arch}`), text)
  t.true(text.includes(`@sendfile64/binding-${process.platform}-${process.arch}`), text)
  t.true(text.includes('npm install sendfile64 --include=optional'), text)
  t.notRegex(text, /\n/)
  t.notRegex(text, /^\s+at |Require stack/m)
}
