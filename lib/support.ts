/** What this machine can do, and why not more. */
import { readFileSync } from 'node:fs'
import os from 'node:os'

import { bindingName, type BindingName, native } from './binding.ts'
import { errnoName } from './errors.ts'
import type { Method } from './options.ts'

/** Whether a method can be used here. */
export interface MethodSupport {
  /** `'not-probed'`: the kernel was not asked yet, and the first transfer will tell. */
  state: 'available' | 'unavailable' | 'not-probed'
  /** The errno name of the kernel's answer, where the method is unavailable. */
  code?: string
}

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
  /** What each method can do here. */
  methods: Record<Method, MethodSupport>
}

const STATES = ['not-probed', 'available', 'unavailable'] as const

/** Which binding is loaded and why, and what it can do here. Makes at most one harmless system call. */
export function support(): Support {
  const { name, reason } = bindingName()
  return {
    binding: name,
    ...(reason === undefined ? {} : { reason }),
    version: readVersion(),
    platform: `${process.platform}-${process.arch}`,
    kernel: `${os.type()} ${os.release()}`,
    methods: { sendfile: sendfileSupport(), copy: { state: name === 'none' ? 'unavailable' : 'available' } },
  }
}

function sendfileSupport(): MethodSupport {
  if (native === undefined) return { state: 'unavailable', code: errnoName(-os.constants.errno.ENOSYS) }
  const state = STATES[native.probeSendfile()] ?? 'not-probed'
  return state === 'unavailable' ? { state, code: errnoName(-os.constants.errno.ENOSYS) } : { state }
}

/** package.json is beside index.ts and above dist/. */
function readVersion(): string {
  for (const place of ['../package.json', '../../package.json']) {
    try {
      const found: unknown = JSON.parse(readFileSync(new URL(place, import.meta.url), 'utf8'))
      if (typeof found === 'object' && found !== null && 'version' in found) return String(found.version)
    } catch {
      // not there: the other place
    }
  }
  return 'unknown'
}
