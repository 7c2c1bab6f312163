/** An overlayfs over the directory of the served files, and the users of the servers. */
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'

/** User ids; the user nobody owns no file and has no capability. */
export const USERS = { root: undefined, nobody: 65_534 }

export const LAYERS = ['plain', 'lower', 'upper']

/**
 * The lower layer is the plain directory itself: the same inodes, the same pages. The mount ends with the process.
 *
 * @param {string} root
 * @returns {{ plain: string, lower: string, upper: string }} where the files of each layer are found
 */
export function mountOverlay(root) {
  const directory = (name) => {
    const path = join(root, name)
    mkdirSync(path, { recursive: true, mode: 0o755 })
    return path
  }
  chmodSync(root, 0o755)
  const [plain, upper, work, mounted] = ['plain', 'upper', 'work', 'mounted'].map(directory)
  const options = `lowerdir=${plain},upperdir=${upper},workdir=${work}`
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', options, mounted])
  // before the directory is removed
  process.prependListener('exit', () => execFileSync('umount', ['-l', mounted]))
  return { plain, lower: mounted, upper: mounted }
}
