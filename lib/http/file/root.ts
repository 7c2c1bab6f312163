/** The folder that files are served from: whether it is one, and its real path. */
import fs from 'node:fs'

import { invalidValue } from '../../errors/node-error.ts'
import { joinPath } from '../request/resolve.ts'

/** The roots of `serveFile()` are examined once, although each call names one. */
const MOST_KNOWN = 64
const known = new Map<string, Root>()

const SLASH = 0x2f

export class Root {
  readonly path: Buffer
  /** The path without symbolic links, as of the last `refresh()`. */
  #real: Buffer

  private constructor(path: string, real: Buffer) {
    this.path = Buffer.from(path)
    this.#real = real
  }

  /**
   * Examines the folder synchronously; for the setup of a server.
   * @throws {TypeError} ERR_INVALID_ARG_VALUE if it is not a folder
   */
  static of(name: string, path: string): Root {
    if (fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) throw notFolder(name, path)
    return new Root(path, fs.realpathSync.native(path, 'buffer'))
  }

  /** The same on a thread of the pool. */
  static async later(name: string, path: string): Promise<Root> {
    const found = known.get(path)
    if (found !== undefined) return found
    const stat = await fs.promises.stat(path).catch(() => undefined)
    if (stat?.isDirectory() !== true) throw notFolder(name, path)
    const root = new Root(path, await realpath(path))
    if (known.size >= MOST_KNOWN) known.clear()
    known.set(path, root)
    return root
  }

  /** Reads the real path again: the root may be a symbolic link that leads to the next release by now. */
  async refresh(): Promise<void> {
    this.#real = await realpath(this.path)
  }

  /** Whether a path without symbolic links is below it. */
  holds(real: Buffer): boolean {
    const folder = this.#real
    if (folder.length === 1) return true // "/"
    if (real.length <= folder.length) return real.equals(folder)
    return real[folder.length] === SLASH && real.subarray(0, folder.length).equals(folder)
  }

  /** The real path that a path below the root has if none of its segments is a symbolic link. */
  realOf(path: Buffer): Buffer {
    const below = path.subarray(this.path.length === 1 ? 0 : this.path.length)
    return below.length === 0 ? this.#real : joinPath(this.#real, [below.subarray(1)])
  }
}

/** A path without symbolic links. */
export function realpath(path: Buffer | string): Promise<Buffer> {
  return fs.promises.realpath(path, 'buffer')
}

function notFolder(name: string, path: string): TypeError {
  return invalidValue(name, path, 'must be a folder')
}
