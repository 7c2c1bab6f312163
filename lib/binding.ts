/**
 * Loads the binding, or explains why it could not be loaded. The only importer of binding.cjs.
 *
 * Which one is taken: the addon built or installed for this platform; where there is none, or addons are forbidden,
 * the WASI flavour (no system call, the same planner); where neither loads, none. NAPI_RS_WASI_FLAVOR=wasm32-wasip1
 * asks for the WASI flavour.
 */
import { createRequire } from 'node:module'
import type * as Generated from '#binding'

import { noBinding, type SendfileError } from './errors.ts'
import type { Method } from './options.ts'

export type Binding = typeof Generated
export type EngineEvent = Generated.EventRecord
export type Planner = Generated.Planner
export type Environment = Generated.Environment
export type Extras = Generated.Extras

/** Which binding is loaded. */
export type BindingName = 'native' | 'wasm32-wasip1' | 'none'

/** The numbers of crates/binding/src/records.rs. */
export const EVENT = { progress: 0, completed: 1, opened: 2 } as const
export const END = { done: 0, truncated: 1, refused: 2, failed: 3, aborted: 4, stalled: 5 } as const
/** The system calls that an errno may come from, as Node names them. */
export const CALLS: readonly string[] = ['sendfile', 'splice', 'copy_file_range', 'read', 'write', 'getsockopt']
export const METHODS: readonly Method[] = ['sendfile', 'splice', 'copy_file_range', 'copy']
/** The choices of crates/binding/src/engine/start.rs: this method only. */
export const ONLY = { auto: 0, sendfile: 1, splice: 2, copy_file_range: 3, copy: 4 } as const
/** The same: this method first. */
export const PREFER = { sendfile: 5, splice: 6, copy_file_range: 7, copy: 8 } as const
/** The targets of crates/binding/src/environment.rs. */
export const TARGET = { socket: 0, descriptor: 1, adopted: 2 } as const
/** The steps of crates/binding/src/planner.rs. */
export const STEP = { over: 0, chunk: 1, headers: 2, trailers: 3, wait: 4 } as const

interface Loaded {
  readonly name: BindingName
  readonly binding: Binding | undefined
  /** Why not a better one. */
  readonly reason: string | undefined
  readonly cause: unknown
}

const loaded: Loaded = load()

function load(): Loaded {
  try {
    const binding = createRequire(import.meta.url)('#binding') as Binding
    const native = binding.__napiBindingTarget === 'native'
    if (native) applySwitches(binding)
    const reason = native ? undefined : 'the WASI flavour is loaded: no addon for this platform, or it was asked for'
    return { name: native ? 'native' : 'wasm32-wasip1', binding, reason, cause: undefined }
  } catch (cause) {
    return { name: 'none', binding: undefined, reason: explain(cause), cause }
  }
}

/** SENDFILE64_WITHOUT=openat2,cachestat,…: the switch that forces each fallback of the addon. */
function applySwitches(binding: Binding): void {
  for (const feature of (process.env.SENDFILE64_WITHOUT ?? '').split(',')) {
    if (feature !== '' && !binding.forbid(feature)) {
      process.emitWarning(`SENDFILE64_WITHOUT: unknown feature '${feature}'`, { code: 'SENDFILE64_WITHOUT' })
    }
  }
}

/** One paragraph: what was looked for, what was found instead, what to do. */
function explain(cause: unknown): string {
  const tried: string[] = []
  for (let error = cause; error instanceof Error && tried.length < 8; error = error.cause) {
    const [line = ''] = error.message.split('\n', 1)
    if (!tried.includes(line)) tried.push(line)
  }
  const wanted = `@sendfile64/binding-${process.platform}-${process.arch}`
  return (
    `No sendfile64 binding could be loaded for ${process.platform} ${process.arch}, Node.js ${process.version}. ` +
    `Looked for the package ${wanted} (with a suffix for the C library on Linux), then for the WASI flavour. ` +
    'Install again without --omit=optional and without a lock file of another platform: ' +
    '"npm install sendfile64 --include=optional". With --permission, add --allow-addons or --allow-wasi. ' +
    `Tried: ${tried.join('; ')}`
  )
}

/** Which binding is loaded, and why not a better one. */
export function bindingName(): { name: BindingName; reason: string | undefined } {
  return { name: loaded.name, reason: loaded.reason }
}

/** Bun and Deno have sockets and descriptors of their own making behind Node's classes. */
export const isNode = process.release.name === 'node' && !('bun' in process.versions) && !('deno' in process.versions)

/** The addon, where system calls are possible. */
export const native: Binding | undefined = loaded.name === 'native' ? loaded.binding : undefined

/**
 * Whichever binding there is.
 * @throws {SendfileError} ERR_SENDFILE_BINDING if none could be loaded
 */
export function anyBinding(): Binding {
  if (loaded.binding === undefined) throw bindingError()
  return loaded.binding
}

function bindingError(): SendfileError {
  return noBinding(loaded.reason ?? 'No binding could be loaded', loaded.cause)
}
