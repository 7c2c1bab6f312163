/** Limits the reads of chosen processes to the speed of a slow disk, by the block controller of cgroup v1 or v2. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const V1 = '/sys/fs/cgroup/blkio'
const V2 = '/sys/fs/cgroup'

/** The controllers know only whole disks, so the disk of a partition is limited. */
function diskOf(directory) {
  const device = BigInt(statSync(directory, { bigint: true }).dev)
  const major = (device >> 8n) & 0xfffn
  const minor = (device & 0xffn) | ((device >> 12n) & 0xfff00n)
  const entry = `/sys/dev/block/${major}:${minor}`
  if (!existsSync(entry)) throw new Error('the files are not on a disk')
  return existsSync(join(entry, 'partition')) ? readFileSync(join(entry, '../dev'), 'utf8').trim() : `${major}:${minor}`
}

function makeGroup(parent, limitFile, limit) {
  const group = join(parent, `sendfile64-bench-${process.pid}`)
  mkdirSync(group)
  try {
    writeFileSync(join(group, limitFile), limit)
  } catch (error) {
    rmdirSync(group)
    throw error
  }
  return group
}

function openGroup(disk, bytesPerSecond) {
  if (existsSync(join(V1, 'blkio.throttle.read_bps_device'))) {
    return makeGroup(V1, 'blkio.throttle.read_bps_device', `${disk} ${bytesPerSecond}`)
  }
  if (!readFileSync(join(V2, 'cgroup.controllers'), 'utf8').includes('io')) throw new Error('no block controller')
  writeFileSync(join(V2, 'cgroup.subtree_control'), '+io')
  return makeGroup(V2, 'io.max', `${disk} rbps=${bytesPerSecond}`)
}

/**
 * @param {string} directory where the files are
 * @param {number} bytesPerSecond
 * @returns {{ how: string, add: (pids: number[]) => void }} add throttles these processes; the group is removed when
 * the program ends
 */
export function throttleReads(directory, bytesPerSecond) {
  try {
    const group = openGroup(diskOf(directory), bytesPerSecond)
    process.on('exit', () => {
      try {
        rmdirSync(group)
      } catch (error) {
        console.error(`bench: ${group} could not be removed (${error.code})`)
      }
    })
    const how = `reads throttled to ${bytesPerSecond / 1e6} MB/s by ${group.startsWith(V1) ? 'cgroup v1 blkio' : 'cgroup v2 io.max'}`
    return {
      how,
      add: (pids) => pids.forEach((pid) => writeFileSync(join(group, 'cgroup.procs'), String(pid))),
    }
  } catch (error) {
    return {
      how: `disk not throttled (${error.message}); the files are only dropped from the page cache`,
      add: () => {},
    }
  }
}
