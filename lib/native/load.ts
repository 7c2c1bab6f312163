/**
 * Loads the binding, or explains why none could be loaded. This is the only module that names an addon.
 *
 * The first of these that loads is used:
 * 1. the addon for this platform: the file that NAPI_RS_NATIVE_LIBRARY_PATH names, else a build beside this package, else
 *    the package `@sendfile64/binding-<platform>-<arch>[-gnu|-musl]`;
 * 2. the WASI flavor: a build beside this package, else the package `@sendfile64/binding-wasm32-wasip1`;
 * 3. none.
 * A binding whose version differs is not used. NAPI_RS_WASI_FLAVOR=wasm32-wasip1 skips the addon. The WASI flavor is loaded
 * on first use, so that other programs neither pay for it nor print Node's warning that WASI is experimental.
 */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type * as Generated from '#binding'

import { noBinding } from '../errors/sendfile-error.ts'
import { VERSION } from './version.ts'

export type Binding = typeof Generated
export type Planner = Generated.Planner
export type Environment = Generated.Environment
export type Limiter = Generated.Limiter
export type LimiterShare = Generated.LimiterShare

/** Which binding is loaded. */
export type BindingName = 'native' | 'wasm32-wasip1' | 'none'

/** Bun and Deno implement the sockets and descriptors behind Node's classes in their own way. */
export const isNode = process.release.name === 'node' && !('bun' in process.versions) && !('deno' in process.versions)

/** The platforms that an addon is published for: the folders of npm/. */
const PREBUILT: ReadonlySet<string> = new Set([
  'darwin-arm64',
  'darwin-x64',
  'freebsd-x64',
  'linux-arm64-gnu',
  'linux-arm64-musl',
  'linux-x64-gnu',
  'linux-x64-musl',
])
const FLAVOR = 'wasm32-wasip1'

interface Loaded {
  readonly name: BindingName
  readonly binding: Binding | undefined
  /** Why a better one is not loaded. */
  readonly reason: string | undefined
}

const require = createRequire(import.meta.url)
/** SENDFILE64_WITHOUT=addon,openat2,…: the switch that forces each fallback. */
const without = new Set((process.env.SENDFILE64_WITHOUT ?? '').split(',').filter((feature) => feature !== ''))
/** The bindings that were tried, and why each was not used. */
const tried: string[] = []

/** The addon, where system calls are possible. */
export const native: Binding | undefined = loadAddon()
let loaded: Loaded | undefined

function loadAddon(): Binding | undefined {
  if (process.env.NAPI_RS_WASI_FLAVOR === FLAVOR) {
    tried.push(`NAPI_RS_WASI_FLAVOR=${FLAVOR} selects the WASI flavor`)
  } else if (without.has('addon')) {
    tried.push('SENDFILE64_WITHOUT disables the addon')
  } else {
    const { NAPI_RS_NATIVE_LIBRARY_PATH: path } = process.env
    const tuple = platformTuple()
    const addon = path ? take(path) : takeBuilt(tuple, `sendfile64.${tuple}.node`)
    if (addon !== undefined) applySwitches(addon)
    return addon
  }
  return undefined
}

function loadAny(): Loaded {
  if (native !== undefined) return { name: 'native', binding: native, reason: undefined }
  const whyNotNative = tried.join('; ')
  const binding = loadWasi()
  if (binding === undefined) return { name: 'none', binding, reason: explain() }
  const reason = `The WASI flavor is loaded and copies in JavaScript. The addon is not loaded: ${whyNotNative}`
  return { name: FLAVOR, binding, reason }
}

function loadWasi(): Binding | undefined {
  if (without.has('wasi')) {
    tried.push('SENDFILE64_WITHOUT disables the WASI flavor')
  } else if (process.permission?.has('wasi') === false) {
    // Trying would fail as well, after Node's warning that WASI is experimental.
    tried.push('the permission model forbids WASI')
  } else {
    return takeBuilt(FLAVOR, 'sendfile64.wasip1.cjs')
  }
  return undefined
}

/** A build beside the package comes first: a developer made it to use it. */
function takeBuilt(tuple: string, file: string): Binding | undefined {
  const local = `#built/${file}`
  if (isThere(local)) return take(local)
  const name = `@sendfile64/binding-${tuple}`
  if (tuple !== FLAVOR && !PREBUILT.has(tuple)) tried.push(`there is no addon for ${tuple}`)
  else if (isThere(name)) return take(name)
  else tried.push(`${name} is not installed`)
  return undefined
}

function isThere(specifier: string): boolean {
  try {
    // Deno resolves specifiers from `imports` of package.json without looking at the file.
    return existsSync(require.resolve(specifier))
  } catch {
    return false
  }
}

function take(specifier: string): Binding | undefined {
  try {
    const binding = require(specifier) as Partial<Binding>
    const version = binding.version?.() ?? 'unknown'
    if (version === VERSION) return binding as Binding
    tried.push(`${specifier} has version ${version}, not ${VERSION}`)
  } catch (error) {
    const [line = ''] = String(error instanceof Error ? error.message : error).split('\n', 1)
    tried.push(`${specifier}: ${line}`)
  }
  return undefined
}

/** For example 'linux-x64-gnu': the suffix of the name of the addon's package. */
function platformTuple(): string {
  const { platform, arch } = process
  return platform === 'linux' ? `linux-${arch}-${usesMusl() ? 'musl' : 'gnu'}` : `${platform}-${arch}`
}

/** The libraries of this process decide: files of the system may belong to another C library than this Node. */
function usesMusl(): boolean {
  try {
    return /\/(?:ld-musl-|libc\.musl-|[^/\n]*-linux-musl)/.test(readFileSync('/proc/self/maps', 'latin1'))
  } catch {
    // There is no /proc, or the permission model denies access to it.
    const report: { header?: { glibcVersionRuntime?: string } } = Object(process.report?.getReport())
    return report.header?.glibcVersionRuntime === undefined
  }
}

function applySwitches(binding: Binding): void {
  for (const feature of without) {
    if (feature !== 'wasi' && !binding.forbid(feature)) {
      process.emitWarning(`SENDFILE64_WITHOUT: unknown feature '${feature}'`, { code: 'SENDFILE64_WITHOUT' })
    }
  }
}

/** One paragraph: which bindings were tried, what was found instead, what to do. */
function explain(): string {
  return (
    `No sendfile64 binding could be loaded for ${process.platform} ${process.arch}, Node.js ${process.version}: ` +
    `${tried.join('; ')}. ` +
    'If a package is missing or has another version, reinstall: "npm install sendfile64 --include=optional". ' +
    'With --permission, add --allow-addons or --allow-wasi.'
  )
}

/** Which binding is loaded, and why a better one is not. */
export function bindingName(): { name: BindingName; reason: string | undefined } {
  loaded ??= loadAny()
  return { name: loaded.name, reason: loaded.reason }
}

/**
 * The binding, native or WASI.
 * @throws {SendfileError} ERR_SENDFILE_BINDING if none could be loaded
 */
export function anyBinding(): Binding {
  loaded ??= loadAny()
  if (loaded.binding === undefined) throw noBinding(loaded.reason ?? 'No binding could be loaded')
  return loaded.binding
}
