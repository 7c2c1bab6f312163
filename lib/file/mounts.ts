/** Which descriptors may have a server behind them. The kernel reports this in proc(5), without asking a server. */
import fs from 'node:fs'

import { descriptorStatus } from '../node/fs.ts'

/** The types of filesystems whose files have no server; crates/sys/src/platform/linux/filesystem/mounts.rs has the same. */
const LOCAL_NAMES: ReadonlySet<string> = new Set([
  'autofs',
  'bcachefs',
  'binfmt_misc',
  'bpf',
  'btrfs',
  'cgroup',
  'cgroup2',
  'configfs',
  'cramfs',
  'debugfs',
  'devpts',
  'devtmpfs',
  'efivarfs',
  'erofs',
  'exfat',
  'ext2',
  'ext3',
  'ext4',
  'f2fs',
  'fusectl',
  'hfsplus',
  'hugetlbfs',
  'iso9660',
  'jfs',
  'mqueue',
  'nsfs',
  'ntfs3',
  'overlay',
  'proc',
  'pstore',
  'ramfs',
  'reiserfs',
  'rootfs',
  'securityfs',
  'selinuxfs',
  'squashfs',
  'sysfs',
  'tmpfs',
  'tracefs',
  'udf',
  'vfat',
  'xfs',
  'zfs',
])

/**
 * Whether fstat(2), open(2) or read(2) of a descriptor may wait for a server. Also `true` if this is unknown; `false` without
 * proc(5), and for a number that is not a descriptor of the kernel.
 */
export function mayAskServer(fd: number): boolean {
  const mount = descriptorStatus(fd)?.mount
  if (mount === undefined) return false
  const name = typeOfMount(mount)
  return name === undefined ? !isNameless(fd) : !LOCAL_NAMES.has(name)
}

/** Identifies an open file without asking a server; `undefined` for a number that is not open. */
export function nameOf(fd: number): string | undefined {
  const status = descriptorStatus(fd)
  return status && `${status.mount}:${status.inode ?? linkOf(fd)}`
}

/** By proc_pid_mountinfo(5): "36 35 98:0 /root /point options tags - type source options". */
function typeOfMount(mount: number): string | undefined {
  const line = new RegExp(String.raw`^${mount} .* - (\S+) `, 'm')
  try {
    return line.exec(fs.readFileSync('/proc/self/mountinfo', 'latin1'))?.[1]
  } catch {
    return undefined
  }
}

/** Whether it is a pipe, a socket or the like. Their mounts are not in the table, nor are those of other namespaces. */
function isNameless(fd: number): boolean {
  const link = linkOf(fd)
  return link !== undefined && (!link.startsWith('/') || link.startsWith('/memfd:'))
}

function linkOf(fd: number): string | undefined {
  try {
    return fs.readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return undefined
  }
}
