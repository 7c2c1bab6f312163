/** What this machine can do, and why not more. */
import os from 'node:os'

import { bindingName, type BindingName, isNode, native } from './native/load.ts'
import { errnoName } from './errors/sendfile-error.ts'
import { AVAILABILITY, METHODS } from './native/codes.ts'
import type { Method } from './options/sendfile.ts'
import { switchedOff } from './options/environment.ts'
import { VERSION } from './native/version.ts'

/** Whether something can be used here. */
export interface MethodSupport {
  /** `'not-probed'`: the kernel was not asked yet, and the first transfer that needs it will tell. */
  state: 'available' | 'unavailable' | 'not-probed'
  /** The errno name of the kernel's answer, where it is unavailable. */
  code?: string
}

/** What speeds a transfer up or keeps it from waiting; nothing depends on it. */
export type Feature = 'openat2' | 'cachestat' | 'readnowait' | 'mincore' | 'recency' | 'reopen'

/** What {@link support} returns. */
export interface Support {
  /** Which binding is loaded. */
  binding: BindingName
  /** Why not a better one. */
  reason?: string
  /** The version of this package. */
  version: string
  /** `process.platform` and `process.arch`: 'linux-x64'. */
  platform: string
  /** The operating system and its release: 'Linux 6.18.44'. */
  kernel: string
  /** The runtime and its version: 'Node.js 24.21.0'. */
  runtime: string
  /** Who moves the bytes by default: system calls of ours, or JavaScript. */
  executor: 'kernel' | 'portable'
  /** What each method can do here. */
  methods: Record<Method, MethodSupport>
  /** What of the rest there is: openat2(2) and RWF_NOWAIT are not probed before something has needed them. */
  features: Record<Feature, MethodSupport>
}

/** Which binding is loaded and why, and what it can do here. Makes harmless system calls only, each once a process. */
export function support(): Support {
  const { name, reason } = bindingName()
  const copy: MethodSupport = { state: name === 'none' ? 'unavailable' : 'available' }
  const [sendfile, splice, copyFileRange] = METHODS.map(probe)
  return {
    binding: name,
    ...(reason === undefined ? {} : { reason }),
    version: VERSION,
    platform: `${process.platform}-${process.arch}`,
    kernel: `${os.type()} ${os.release()}`,
    runtime: readRuntime(),
    executor: native !== undefined && isNode && switchedOff === undefined ? 'kernel' : 'portable',
    methods: {
      sendfile: sendfile ?? UNKNOWN,
      splice: splice ?? UNKNOWN,
      copy_file_range: copyFileRange ?? UNKNOWN,
      copy,
    },
    features: {
      openat2: probe('openat2'),
      cachestat: probe('cachestat'),
      readnowait: probe('readnowait'),
      mincore: probe('mincore'),
      recency: probe('recency'),
      reopen: probe('reopen'),
    },
  }
}

const UNKNOWN: MethodSupport = { state: 'not-probed' }

function probe(feature: string): MethodSupport {
  const found = native?.probe(feature) ?? -os.constants.errno.ENOSYS
  if (found < 0) return { state: 'unavailable', code: errnoName(found) }
  return { state: found === AVAILABILITY.unknown ? 'not-probed' : 'available' }
}

function readRuntime(): string {
  const { bun, deno, node } = process.versions
  if (bun !== undefined) return `Bun ${bun}`
  return deno === undefined ? `Node.js ${node}` : `Deno ${deno}`
}
