// Files on overlayfs, as in every container image, and files of another user are sent within the call like others.
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'

import { run } from '../fixtures/child-process.ts'
import { kernelSerial } from '../fixtures/executor.ts'
import { sampleBytes } from '../fixtures/sample-file.ts'
import { sha256 } from '../fixtures/sha256.ts'
import { within } from '../fixtures/within.ts'

const FILES = { small: sampleBytes(64 * 1024), large: sampleBytes(3 * 2 ** 20 + 1, 2) } as const
const script = fileURLToPath(new URL('../fixtures/children/served-again.ts', import.meta.url))

type User = 'root' | 'nobody'
type Layer = 'plain' | 'lower' | 'upper'

/**
 * In a mount namespace of its own. A changed time copies a file up, to the upper layer. Files that were read have their
 * names and pages in memory.
 */
const MOUNTED = `
mount -t overlay overlay -o "lowerdir=$ROOT/lower,upperdir=$ROOT/upper,workdir=$ROOT/work" "$ROOT/merged" || exit
[ "$LAYER" != upper ] || touch "$ROOT"/merged/* || exit
cat "$ROOT"/lower/* "$ROOT"/merged/* > /dev/null || exit
exec "$@"`

/** A prefix that runs a command as this user, with the layer mounted. */
function inside(user: User): string[] {
  const as = user === 'root' ? [] : ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
  return ['unshare', '--mount', 'sh', '-c', MOUNTED, 'sh', ...as]
}

/** The directories of an overlayfs with the files in its lower layer. */
function makeLayers(
  t: Pick<ExecutionContext, 'teardown'>,
  layer: Layer,
): { directory: string; env: { ROOT: string; LAYER: Layer } } {
  const root = mkdtempSync(join(tmpdir(), 'sendfile64-overlay-'))
  t.teardown(() => rmSync(root, { recursive: true, force: true }))
  chmodSync(root, 0o755)
  for (const part of ['lower', 'upper', 'work', 'merged']) mkdirSync(join(root, part))
  for (const [name, bytes] of Object.entries(FILES)) writeFileSync(join(root, 'lower', name), bytes)
  return { directory: join(root, layer === 'plain' ? 'lower' : 'merged'), env: { ROOT: root, LAYER: layer } }
}

function whyNotHere(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'only root mounts overlayfs'
  const endings: (() => void)[] = []
  const { env } = makeLayers({ teardown: (ending) => void endings.push(() => void ending()) }, 'lower')
  const [program = '', ...rest] = [...inside('nobody'), 'test', '-r', script]
  const { status, stderr, error } = spawnSync(program, rest, { encoding: 'utf8', env: { ...process.env, ...env } })
  for (const ending of endings) ending()
  if (status === 0) return undefined
  return `overlayfs cannot be mounted, or nobody may not read this folder: ${error?.message ?? stderr}`
}

const obstacle = whyNotHere()
const overlayTest = obstacle === undefined ? kernelSerial : test.serial.skip
if (obstacle !== undefined) console.log(`overlay: skipped: ${obstacle}`)

interface Served {
  readonly atOnce?: boolean
  readonly method?: string
  readonly requests: number
  readonly sum: string
}

/** Sends a file three times as this user. It arrives complete each time. */
async function serve(
  t: ExecutionContext,
  where: { user: User; layer: Layer; name: keyof typeof FILES; how: string; without?: string },
): Promise<readonly Served[]> {
  const { user, layer, name, how, without = '' } = where
  const { directory, env } = makeLayers(t, layer)
  const { exit } = run(t, 'served-again.ts', [join(directory, name), how], {
    inside: inside(user),
    env: { ...env, SENDFILE64_WITHOUT: without },
  })
  const { stdout, stderr } = await within(exit, 'the exit of the process')
  t.is(stderr, '')
  const served: readonly Served[] = JSON.parse(stdout)
  for (const { sum } of served) t.is(sum, sha256(FILES[name]))
  t.is(served.length, 3)
  return served
}

const PLACES = [
  { user: 'root', layer: 'lower' },
  { user: 'root', layer: 'upper' },
  { user: 'nobody', layer: 'plain' },
  { user: 'nobody', layer: 'lower' },
  { user: 'nobody', layer: 'upper' },
] as const

for (const { user, layer } of PLACES) {
  /** The kernel does not report the residency of another user's file on overlayfs: a thread reads it the first time. */
  const first = user === 'nobody' && layer !== 'plain' ? 1 : 0

  overlayTest(`${user}, ${layer}: a small file is sent within the call`, async (t) => {
    const served = await serve(t, { user, layer, name: 'small', how: 'sendfile' })
    t.deepEqual(
      served.map(({ atOnce, method }) => ({ atOnce, method })),
      [first === 0, true, true].map((atOnce) => ({ atOnce, method: 'sendfile' })),
    )
  })

  overlayTest(`${user}, ${layer}: a small file is read within the call`, async (t) => {
    const served = await serve(t, { user, layer, name: 'small', how: 'stream' })
    t.deepEqual(
      served.map(({ requests }) => requests),
      [first, 0, 0],
    )
  })

  overlayTest(`${user}, ${layer}: a large file arrives complete`, async (t) => {
    for (const how of ['sendfile', 'stream']) await serve(t, { user, layer, name: 'large', how })
  })
}

const SWITCHES = [
  // by recency
  { user: 'root', without: 'mincore', atOnce: [false, true, true] },
  // by mincore
  { user: 'root', without: 'recency', atOnce: [true, true, true] },
  { user: 'root', without: 'mincore,recency', atOnce: [false, false, false] },
  { user: 'nobody', without: 'recency', atOnce: [false, false, false] },
] as const

for (const { user, without, atOnce } of SWITCHES) {
  overlayTest(
    `${user}, SENDFILE64_WITHOUT=${without}: a large file arrives complete, read by threads if its residency is unknown`,
    async (t) => {
      const served = await serve(t, { user, layer: 'lower', name: 'small', how: 'sendfile', without })
      t.deepEqual(
        served.map((one) => one.atOnce),
        atOnce,
      )
      await serve(t, { user, layer: 'lower', name: 'small', how: 'stream', without })
      await serve(t, { user, layer: 'lower', name: 'large', how: 'sendfile', without })
    },
  )
}
