/** Figures from /proc about a process and all its descendants. See proc_pid_stat(5). */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

/** Field 2 may hold spaces and parentheses, so fields are counted after it: parent is field 4, utime 14, stime 15. */
function readStat(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { pid, parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) }
  } catch {
    return undefined // it ended between readdir and read
  }
}

function tree(root) {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readStat(Number(name)))
  const found = new Map()
  let size = -1
  while (size !== found.size) {
    size = found.size
    for (const stat of all) if (stat && (stat.pid === root || found.has(stat.parent))) found.set(stat.pid, stat)
  }
  return [...found.values()]
}

/** @returns {number[]} the process and its descendants */
export const pidsOf = (root) => tree(root).map(({ pid }) => pid)

/** @returns {number} user and system seconds of the process, its descendants and all their threads */
export const cpuSecondsOf = (root) => tree(root).reduce((sum, { ticks }) => sum + ticks, 0) / ticksPerSecond

/** @returns {number} resident bytes */
export function residentBytesOf(root) {
  const kib = pidsOf(root).map((pid) =>
    Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0),
  )
  return kib.reduce((sum, value) => sum + value, 0) * 1024
}

/** @returns {string[]} the names of the process's threads */
export const threadNamesOf = (pid) =>
  readdirSync(`/proc/${pid}/task`).map((task) => readFileSync(`/proc/${pid}/task/${task}/comm`, 'utf8').trim())

/** @returns {number} open file descriptors */
export const openFilesOf = (pid) => readdirSync(`/proc/${pid}/fd`).length

/** @returns {number} its limit of open file descriptors */
export const openFilesLimitOf = (pid) =>
  Number(/^Max open files +(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8'))?.[1])

/** @returns {number} seconds all processors together were busy since boot, stolen time included */
export function machineBusySeconds() {
  const [user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'utf8')
    .split('\n', 1)[0]
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number)
  return (user + nice + system + irq + softirq + steal) / ticksPerSecond
}
