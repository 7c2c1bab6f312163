// An empty project that depends on the package: installs it, runs programs in it, removes its bindings.
import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, readdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { readJson, root } from '../../dev/provision.mjs'

const programs = join(root, 'scripts/test/install')

export class Project {
  /** @param {{ manager: object, node: string, place: { url: string, userconfig: string, work: string } }} how */
  constructor(folder, { manager, node, place, dependencies = {} }) {
    Object.assign(this, { folder, manager, node, place })
    mkdirSync(folder, { recursive: true })
    const { version } = readJson('package.json')
    const manifest = {
      name: 'consumer',
      version: '1.0.0',
      private: true,
      dependencies: { sendfile64: version, ...dependencies },
    }
    writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
    for (const program of ['consumer.mjs', 'two-copies.mjs'])
      copyFileSync(join(programs, program), join(folder, program))
    // Current Yarn searches parent folders for a project; the others read the registry from here
    writeFileSync(join(folder, '.npmrc'), readFileSync(place.userconfig))
    manager.prepare?.(folder, place)
  }

  /** Neither the developer's configuration nor a loader of this repository affects the project. */
  get env() {
    const { url, userconfig, work } = this.place
    const { PATH, HOME } = process.env
    return {
      PATH: `${dirname(this.node)}:${PATH}`,
      HOME,
      NPM_CONFIG_USERCONFIG: userconfig,
      npm_config_registry: url,
      npm_config_cache: join(work, 'npm-cache'),
      YARN_REGISTRY: url,
      CI: '1',
    }
  }

  install() {
    execFileSync(this.node, this.manager.args(this.place), {
      cwd: this.folder,
      env: this.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  }

  /** Runs a program and returns its output. It must succeed, and print to stderr only lines that match `warnings`. */
  run(args, { flags = [], warnings, program = this.node, env = {} } = {}) {
    const before = program === this.node ? (this.manager.run?.() ?? []) : []
    const { status, stdout, stderr, error } = spawnSync(program, [...before, ...flags, ...args], {
      cwd: this.folder,
      encoding: 'utf8',
      timeout: 60_000,
      env: { ...this.env, ...env },
    })
    if (error) throw error
    if (status !== 0) throw new Error(`exit code ${status}\n${stdout}${stderr}`)
    const unexpected = stderr.split('\n').filter((line) => line.trim() !== '' && !(warnings ?? /^$/).test(line))
    if (unexpected.length > 0) throw new Error(`stderr must be empty:\n${unexpected.join('\n')}`)
    if (warnings?.source.includes('WASI') && !/WASI is an experimental/.test(stderr))
      throw new Error('Node must load the WASI flavor')
    return stdout.trim()
  }

  /** Every installed folder of a package of this repository with this prefix. */
  packages(prefix) {
    const found = []
    const look = (folder, depth) => {
      for (const entry of readdirSync(folder, { withFileTypes: true })) {
        if (!entry.isDirectory()) continue
        const path = join(folder, entry.name)
        if (entry.name.startsWith(prefix) && folder.endsWith('@sendfile64')) found.push(path)
        else if (depth > 0) look(path, depth - 1)
      }
    }
    look(join(this.folder, 'node_modules'), 4)
    return found
  }

  /** Calls a function while the packages are moved away. */
  without(prefix, body) {
    const gone = this.packages(prefix)
    if (gone.length === 0) throw new Error(`no ${prefix}* is installed`)
    for (const path of gone) renameSync(path, `${path}.away`)
    try {
      return body()
    } finally {
      for (const path of gone) renameSync(`${path}.away`, path)
    }
  }

  /** Calls a function while every installed addon has another version. */
  withOtherVersion(body) {
    const { version } = readJson('package.json')
    const other = version.replace(/.$/, (digit) => `${(Number(digit) + 1) % 10}`)
    const files = this.packages('binding-linux').flatMap((path) =>
      readdirSync(path)
        .filter((name) => name.endsWith('.node'))
        .map((name) => join(path, name)),
    )
    if (files.length === 0) throw new Error('no addon is installed')
    for (const file of files) {
      const bytes = readFileSync(file)
      const at = bytes.indexOf(version)
      if (at === -1 || bytes.indexOf(version, at + 1) !== -1)
        throw new Error(`${file}: the version must occur exactly once`)
      // a new file: one that is mapped by a process or linked from a store stays unchanged
      renameSync(file, `${file}.away`)
      bytes.write(other, at)
      writeFileSync(file, bytes)
    }
    try {
      return body(other)
    } finally {
      for (const file of files) renameSync(`${file}.away`, file)
    }
  }

  /** Compiles against the types in one resolution of TypeScript. */
  compile(mode) {
    const types = join(this.folder, 'node_modules/@types')
    try {
      symlinkSync(join(root, 'node_modules/@types'), types)
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    for (const name of ['typed.mts', 'typed.cts']) copyFileSync(join(programs, 'typed.ts'), join(this.folder, name))
    const module = mode === 'bundler' ? 'esnext' : mode
    const args = ['--noEmit', '--strict', '--target', 'es2022', '--types', 'node', '--module', module]
    const tsc = spawnSync(
      process.execPath,
      [join(root, 'node_modules/typescript/bin/tsc'), ...args, '--moduleResolution', mode, 'typed.mts', 'typed.cts'],
      { cwd: this.folder, encoding: 'utf8' },
    )
    if (tsc.status !== 0) throw new Error(`TypeScript, ${mode}:\n${tsc.stdout}`)
  }
}
