import test from 'ava'

import { support } from '../../index.ts'
import { within } from '../fixtures/within.ts'
import { socketKinds } from './destinations.ts'
import { pathTo } from './paths.ts'
import { arrived, file, send, SIZE } from './scene.ts'

const { SENDFILE64_EXPECT_BINDING: expected } = process.env

test('the binding is the one that the environment expects', (t) => {
  const { binding, reason } = support()
  t.log(`binding: ${binding}${reason === undefined ? '' : ` (${reason})`}`)
  if (expected === undefined) t.true(['native', 'wasm32-wasip1'].includes(binding))
  else t.deepEqual({ binding }, { binding: expected })
})

// scripts/test-fallbacks.mjs reads the line that this prints.
test('the bytes take the way that support() lets expect', async (t) => {
  const [kind] = socketKinds
  if (kind === undefined) return t.fail('there is no kind of socket')
  const { target, received, close } = await kind.connect({ length: SIZE })
  const sending = send(target, file.path, { end: true })
  // While a file is being opened by another thread, what is done to the destination is held.
  const open = Object.hasOwn(target, 'write') ? 'later' : 'at-once'
  const { method, fallbacks, syscalls } = await within(sending, 'the transfer')
  arrived(t, await within(received, 'the end'), file.bytes)
  await close()
  const codes = fallbacks.map(({ code }) => code).join(',') || 'none'
  const executor = syscalls > 0 ? 'kernel' : 'portable'
  t.log(`contract: binding=${support().binding} executor=${executor} method=${method} fallback=${codes} open=${open}`)
  const path = pathTo(kind, 'auto')
  t.like(path, { possible: true, method, inKernel: executor === 'kernel', fallback: fallbacks[0]?.code })
})
