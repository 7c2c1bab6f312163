// The first transfer finds out whether a handle can be guarded. If it cannot, no byte bypasses the stream.
import { run } from '../fixtures/child-process.ts'
import { IN_KERNEL, kernelSerial, METHOD } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'

const file = sampleFile((1 << 20) + 11)

interface Result {
  readonly digest: string
  readonly method: string
  readonly codes: readonly string[]
  readonly reasons: readonly string[]
}

/** The fault of `_wrapHandle` of TLSSocket, which is used to find out, or of the handle itself. */
const OBSTACLES = ['nothing', 'nothing is read', 'it throws', 'it is gone', 'the handle is sealed']

for (const obstacle of OBSTACLES) {
  const isGuarded = obstacle === 'nothing'
  kernelSerial(
    `obstacle to guarding a handle: ${obstacle}; ${isGuarded ? 'sent by the kernel' : 'copied'}`,
    async (t) => {
      t.timeout(60_000)
      const { stdout, stderr, code } = await run(t, 'unguarded.ts', [file.path, obstacle]).exit
      t.deepEqual([code, stderr], [0, ''])
      const results: Result[] = JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
      t.is(results.length, 3)
      for (const { digest, method, codes, reasons } of results) {
        t.is(digest, sha256(file.bytes))
        t.is(method, isGuarded ? METHOD : 'copy')
        t.deepEqual(codes, isGuarded && IN_KERNEL ? [] : ['PLATFORM'])
        if (!isGuarded && IN_KERNEL) t.regex(reasons.join(), /runtime/)
      }
    },
  )
}
