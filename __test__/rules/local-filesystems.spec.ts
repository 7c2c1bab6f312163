// The local filesystems, in Rust and in TypeScript.
import { readFileSync } from 'node:fs'
import test from 'ava'

function namesIn(path: string, list: RegExp): string[] {
  const text = readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
  const [, names = ''] = list.exec(text) ?? []
  return [...names.matchAll(/["'](\w+)["']/g)].map(([, name = '']) => name)
}

const inRust = namesIn(
  'crates/sys/src/platform/linux/filesystem/mounts.rs',
  /const LOCAL_NAMES: &\[&str\] = &\[([^\]]*)\]/,
)
const inTypeScript = namesIn('lib/file/mounts.ts', /const LOCAL_NAMES[^[]*\[([^\]]*)\]/)

test('both executors agree on which filesystems are local', (t) => {
  t.true(inRust.length > 30)
  t.deepEqual(inTypeScript, inRust)
})

test('network filesystems and the shared folders of Docker Desktop are not local', (t) => {
  const remote = ['fuse', 'fuseblk', 'nfs', 'nfs4', 'cifs', 'smb3', '9p', 'ceph', 'afs', 'virtiofs']
  for (const name of [...remote, 'fakeowner', 'grpcfuse', 'osxfs']) t.false(inRust.includes(name), name)
})
