// The expected method. It depends only on support() and the environment, so that the contract holds with every binding.
import { type Fallback, type Method, support } from '../../index.ts'
import type { Kind } from './destinations.ts'

export type MethodOption = 'auto' | Method

export const METHOD_OPTIONS: readonly MethodOption[] = ['auto', 'sendfile', 'splice', 'copy_file_range', 'copy']

export type Step = Omit<Fallback, 'reason'>

export type Path =
  | {
      readonly possible: true
      readonly method: Method
      readonly fallbacks: readonly Step[]
      /** By system calls of the addon; otherwise through JavaScript. */
      readonly inKernel: boolean
    }
  | {
      readonly possible: false
      /** The errno, if the kernel refuses. */
      readonly cause: string | undefined
      readonly inKernel: boolean
    }

/** `surrounded`: headers or trailers are written. */
export function pathTo(kind: Kind, method: MethodOption, surrounded = false): Path {
  const inKernel = support().executor === 'kernel' && kind.obstacle === undefined
  return inKernel ? kernelPath(kind, method, surrounded) : portablePath(kind, method)
}

/** The path of an empty range: no system call is made, and nothing is refused. */
export function untried(kind: Kind, method: MethodOption, surrounded = false): Path {
  const path = pathTo(kind, method, surrounded)
  if (!path.inKernel || (surrounded && waitsFor(kind, true) !== undefined)) return path
  const [first] = surrounded ? ladderTo(kind, method) : [method === 'auto' ? bestFor(kind) : method]
  return { possible: true, method: first, fallbacks: [], inKernel: true }
}

function portablePath(kind: Kind, method: MethodOption): Path {
  const inKernel = false
  if (kind.needsAddon === true || (method !== 'auto' && method !== 'copy')) {
    return { possible: false, cause: undefined, inKernel }
  }
  // A switched-off executor does not check further.
  const obstacle = process.env.SENDFILE64 === 'off' ? 'PLATFORM' : (kind.obstacle ?? 'PLATFORM')
  const step: Step = { from: bestFor(kind), to: 'copy', code: obstacle }
  return { possible: true, method: 'copy', fallbacks: method === 'auto' ? [step] : [], inKernel }
}

function kernelPath(kind: Kind, option: MethodOption, surrounded: boolean): Path {
  const fallbacks: Step[] = []
  let ladder = ladderTo(kind, option)
  const waits = waitsFor(kind, surrounded)
  if (waits !== undefined && ladder[0] !== waits) {
    if (waits === 'nothing' || option !== 'auto') return { possible: false, cause: 'EAGAIN', inKernel: true }
    fallbacks.push({ from: ladder[0], to: waits, code: 'EAGAIN' })
  }
  if (waits !== undefined) ladder = [waits]
  for (const [rung, method] of ladder.entries()) {
    const code = refusalOf(kind, method)
    if (code === undefined) return { possible: true, method, fallbacks, inKernel: true }
    const to = ladder[rung + 1]
    if (to === undefined) return { possible: false, cause: code, inKernel: true }
    fallbacks.push({ from: method, to, code })
  }
  throw new Error('a ladder ends with an answer')
}

type Ladder = readonly [Method, ...Method[]]

function ladderTo(kind: Kind, option: MethodOption): Ladder {
  if (option !== 'auto') return [option]
  const methods: Ladder = kind.family === 'file' ? ['copy_file_range', 'sendfile', 'copy'] : ['sendfile', 'copy']
  const preferred = METHOD_OPTIONS.find((known) => known === process.env.SENDFILE64)
  if (preferred === undefined || preferred === 'auto') return methods
  return [preferred, ...methods.filter((method) => method !== preferred)]
}

function bestFor({ family }: Kind): Method {
  return family === 'file' ? 'copy_file_range' : 'sendfile'
}

/** The only method that does not block on the reader in blocking mode; `undefined` if no method blocks. */
function waitsFor({ family, blocking }: Kind, surrounded: boolean): 'splice' | 'nothing' | undefined {
  if (blocking !== true || support().features.reopen.state !== 'unavailable') return undefined
  return family === 'pipe' && !surrounded ? 'splice' : 'nothing'
}

/** The errno of the kernel; `undefined` on success. */
function refusalOf({ family, appends }: Kind, method: Method): string | undefined {
  const { state, code } = support().methods[method]
  if (state === 'unavailable') return code
  if (method === 'copy_file_range') {
    if (family !== 'file') return 'EINVAL'
    return appends === true ? 'EBADF' : undefined
  }
  return appends === true && method !== 'copy' ? 'EINVAL' : undefined
}
