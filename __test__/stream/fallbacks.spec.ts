// Each reason for a fallback is listed once, for any number of segments or chunks.
import { run } from '../fixtures/child-process.ts'
import { kernelTest } from '../fixtures/executor.ts'
import { sampleFile } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'

const file = sampleFile(4 << 20)
const SEGMENT = 128 << 10

interface Row {
  readonly title: string
  readonly env: Readonly<Record<string, string>>
  readonly replaces?: string
  readonly entries: readonly string[]
}

const ROWS: readonly Row[] = [
  {
    title: 'the kernel refuses sendfile(2) for every segment',
    env: { SENDFILE64_WITHOUT: 'sendfile' },
    entries: ['sendfile>copy ENOSYS'],
  },
  {
    title: 'push of the stream is replaced',
    env: {},
    replaces: 'push is replaced',
    entries: ['sendfile>copy WRAPPED'],
  },
]

for (const { title, env, replaces = '', entries } of ROWS) {
  kernelTest(`${title}: fallbacks has one entry for each reason`, async (t) => {
    t.timeout(60_000)
    const { stdout, stderr, code } = await run(t, 'many-segments.ts', [file.path, `${SEGMENT}`, replaces], { env }).exit
    t.deepEqual([code, stderr], [0, ''])
    const { digest, pieces, fallbacks } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
    t.is(digest, sha256(file.bytes))
    t.true(pieces > 10, `${pieces} pieces`)
    t.deepEqual(
      fallbacks.map(({ from, to, code: reason }: Record<string, string>) => `${from}>${to} ${reason}`),
      entries,
    )
  })
}
