/** `support()`: the features of this machine and process. */
import os from 'node:os'

import { bindingName, type BindingName, isNode, native } from './native/load.ts'
import { errnoName } from './errors/figures.ts'
import { AVAILABILITY, METHODS } from './native/codes.ts'
import type { Method } from './options/sendfile.ts'
import { switchedOff } from './options/environment.ts'
import { VERSION } from './native/version.ts'

/** Whether a method or feature can be used. */
export interface MethodSupport {
  /** `'not-probed'`: the kernel has not been asked yet; the first transfer that needs it will ask. */
  state: 'available' | 'unavailable' | 'not-probed'
  /** The errno name of the kernel's answer, if it is unavailable. */
  code?: string
}

/** An optional kernel feature that makes transfers faster or avoids waiting. */
export type Feature = 'openat2' | 'cachestat' | 'readnowait' | 'mincore' | 'recency' | 'reopen'

/** The result of {@link support}. */
export interface Support {
  /** Which binding is loaded. */
  binding: BindingName
  /** Why a better binding is not loaded. */
  reason?: string
  /** The version of this package. */
  version: string
  /** `process.platform` and `process.arch`: 'linux-x64'. */
  platform: string
  /** The operating system and its release: 'Linux 6.18.44'. */
  kernel: string
  /** The runtime and its version: 'Node.js 24.21.0'. */
  runtime: string
  /** The default executor: system calls of this package, or JavaScript. */
  executor: 'kernel' | 'portable'
  /** Whether each method can be used. */
  methods: Record<Method, MethodSupport>
  /** Whether each optional feature can be used; openat2(2) and RWF_NOWAIT are not probed before their first use. */
  features: Record<Feature, MethodSupport>
}

/**
 * Reports which binding is loaded and why, and which methods and features are available. Makes only harmless system calls,
 * each once per process.
 *
 * @example
 * const { binding, reason, executor } = support()
 * if (executor !== 'kernel') console.warn(`sendfile64 copies: ${binding}`, reason)
 */
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
  const availability = native?.probe(feature) ?? -os.constants.errno.ENOSYS
  if (availability < 0) return { state: 'unavailable', code: errnoName(availability) }
  return { state: availability === AVAILABILITY.unknown ? 'not-probed' : 'available' }
}

function readRuntime(): string {
  const { bun, deno, node } = process.versions
  if (bun !== undefined) return `Bun ${bun}`
  return deno === undefined ? `Node.js ${node}` : `Deno ${deno}`
}
