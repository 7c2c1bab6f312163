import test, { type ExecutionContext } from 'ava'

import { support } from '../../index.ts'
import { within } from '../fixtures/within.ts'
import { fileKinds, pipeKinds } from './descriptors.ts'
import { socketKinds } from './destinations.ts'
import { type MethodOption, pathTo } from './paths.ts'
import { arrived, file, send, SIZE } from './scene.ts'

interface Way {
  readonly way: string
  readonly open: string
}

const { SENDFILE64_EXPECT_BINDING: expected } = process.env

test('the loaded binding is the one that the environment expects', (t) => {
  const { binding, reason } = support()
  t.log(`binding: ${binding}${reason === undefined ? '' : ` (${reason})`}`)
  if (expected === undefined) t.true(['native', 'wasm32-wasip1'].includes(binding))
  else t.deepEqual({ binding }, { binding: expected })
})

/** How a file is sent, as one word; or the error of the kernel. */
async function wayTo(t: ExecutionContext, name: string, method: MethodOption = 'auto'): Promise<Way> {
  const kind = [...socketKinds, ...fileKinds, ...pipeKinds].find((known) => known.name === name)
  if (kind === undefined) throw new Error(`there is no ${name}`)
  const path = pathTo(kind, method)
  const { destination, received, close } = await kind.connect({ length: SIZE })
  const sending = send(destination, file.path, { end: true, method })
  // While another thread opens a file, calls on the destination are held.
  const open = Object.hasOwn(Object(destination), 'write') ? 'later' : 'at-once'
  try {
    if (!path.possible) {
      const error = await t.throwsAsync(within(sending, 'the refusal'), { code: 'ERR_SENDFILE_UNSUPPORTED' })
      const code: unknown = Reflect.get(Object(error?.cause), 'code')
      t.is(code, path.cause)
      return { way: String(code ?? 'refused'), open }
    }
    const { method: used, fallbacks, syscalls } = await within(sending, 'the transfer')
    arrived(t, await within(received(), 'the end'), file.bytes)
    t.like(path, { method: used, inKernel: syscalls > 0 })
    t.deepEqual(
      fallbacks.map(({ from, to, code }) => ({ from, to, code })),
      path.fallbacks,
    )
    return { way: [...fallbacks.map(({ code }) => `${code}>`), used].join(''), open }
  } finally {
    await close()
  }
}

// scripts/test/fallbacks.mjs reads the line that this prints.
test('the bytes are sent by the method that support() predicts', async (t) => {
  const { way, open } = await wayTo(t, 'TCP socket')
  const toFile = await wayTo(t, 'file by number')
  const toPipe = await wayTo(t, 'FIFO in blocking mode')
  const spliced = await wayTo(t, 'FIFO by number', 'splice')
  const { binding, executor } = support()
  const ways = `socket=${way} file=${toFile.way} pipe=${toPipe.way} splice=${spliced.way}`
  t.log(`contract: binding=${binding} executor=${executor} ${ways} open=${open}`)
})
