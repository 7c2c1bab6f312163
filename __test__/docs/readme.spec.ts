import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import net from 'node:net'
import { createInterface } from 'node:readline'

import test from 'ava'

const root = new URL('../..', import.meta.url)
const readme = readFileSync(new URL('README.md', root), 'utf8')

function codeBlocks(language: string): string[] {
  return [...readme.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map(([, code = '']) => code)
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  return address.port
}

test('the example of the README serves its file', async (t) => {
  const [code = ''] = codeBlocks('js')
  t.regex(code, /sendfile\(res, 'README\.md'/)
  const port = await freePort()
  const script = `${code}\nserver.on('listening', () => console.log('ready'))`
  const server = spawn(process.execPath, ['--input-type=module', '-e', script], {
    cwd: root,
    env: { ...process.env, PORT: `${port}` },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => server.kill())
  const lines = createInterface(server.stdout)[Symbol.asyncIterator]()
  t.is((await lines.next()).value, 'ready')
  const response = await fetch(`http://127.0.0.1:${port}/`)
  t.is(response.headers.get('content-length'), `${Buffer.byteLength(readme)}`)
  t.is(await response.text(), readme)
  t.regex(String((await lines.next()).value), new RegExp(`^${Buffer.byteLength(readme)} bytes by (sendfile|copy)$`))
})

test('every other block of JavaScript in the README runs', async (t) => {
  const [, ...blocks] = codeBlocks('js')
  t.true(blocks.length > 0)
  for (const code of blocks) {
    const stdio = ['ignore', 'inherit', 'inherit'] as const
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], { cwd: root, stdio: [...stdio] })
    t.deepEqual(await once(child, 'exit'), [0, null])
  }
})

test('every npm command of the README is a script in package.json', (t) => {
  const { scripts } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))
  const commands = [...readme.matchAll(/^npm (start|test)/gm)].map(([, name = '']) => name)
  t.deepEqual(commands.toSorted(), ['start', 'test'])
  for (const command of commands) t.is(typeof scripts[command], 'string')
})
