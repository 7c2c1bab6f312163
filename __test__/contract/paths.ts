// Which way the bytes must take. Asks nothing but support(), so that the contract holds on every binding.
import { type Method, support } from '../../index.ts'
import type { Kind } from './destinations.ts'

export type MethodOption = 'auto' | Method

export const METHOD_OPTIONS: readonly MethodOption[] = ['auto', 'sendfile', 'copy']

export type Path =
  | {
      readonly possible: true
      readonly method: Method
      /** The code of the one fallback there is; `undefined` if there is none. */
      readonly fallback: string | undefined
      /** By system calls of ours; otherwise through JavaScript. */
      readonly inKernel: boolean
    }
  | {
      readonly possible: false
      /** The code of the kernel's answer, where it is the one who refuses. */
      readonly cause: string | undefined
      readonly inKernel: boolean
    }

export function pathTo(kind: Kind, method: MethodOption): Path {
  const { binding, methods } = support()
  const inKernel = binding === 'native' && kind.obstacle === undefined
  const { state, code } = methods.sendfile
  const missing = state === 'unavailable' ? code : undefined
  if (method === 'copy') return { possible: true, method: 'copy', fallback: undefined, inKernel }
  if (inKernel && missing === undefined) {
    return { possible: true, method: 'sendfile', fallback: undefined, inKernel }
  }
  const cause = inKernel ? missing : undefined
  if (method === 'sendfile') return { possible: false, cause, inKernel }
  return {
    possible: true,
    method: 'copy',
    fallback: missing === undefined || !inKernel ? (kind.obstacle ?? 'PLATFORM') : missing,
    inKernel,
  }
}

/** The path of no bytes at all: the kernel is not asked, and refuses nothing. */
export function untried(path: Path, method: MethodOption): Path {
  if (!path.inKernel) return path
  return { possible: true, method: method === 'copy' ? 'copy' : 'sendfile', fallback: undefined, inKernel: true }
}
