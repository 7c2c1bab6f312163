// How each package manager installs the package from the registry of this test into a new project.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { installTools } from '../../dev/node-binaries.mjs'

const VERSIONS = { npm: '11.21.1', pnpm: '10.34.8', 'yarn-4': '4.18.1', 'yarn-1': '1.22.22' }

const tools = () =>
  installTools(`managers-${Object.values(VERSIONS).join('-')}`, {
    dependencies: {
      npm: VERSIONS.npm,
      pnpm: VERSIONS.pnpm,
      '@yarnpkg/cli-dist': VERSIONS['yarn-4'],
      yarn: VERSIONS['yarn-1'],
    },
  })

/** Current Yarn does not read .npmrc. */
function yarnrc({ url, work }, linker) {
  return [
    `npmRegistryServer: '${url}'`,
    'unsafeHttpWhitelist: [127.0.0.1]',
    `nodeLinker: ${linker}`,
    `cacheFolder: '${join(work, 'yarn-cache')}'`,
    `globalFolder: '${join(work, 'yarn-global')}'`,
    'enableTelemetry: false',
    'enableGlobalCache: false',
    'enableImmutableInstalls: false',
    // the packages are seconds old
    'npmMinimalAgeGate: 0',
    '',
  ].join('\n')
}

function yarn4(linker) {
  return {
    args: () => [join(tools(), '@yarnpkg/cli-dist/bin/yarn.js'), 'install'],
    prepare(folder, place) {
      writeFileSync(join(folder, '.yarnrc.yml'), yarnrc(place, linker))
      writeFileSync(join(folder, 'yarn.lock'), '')
    },
    ...(linker === 'pnp' && { run: () => [join(tools(), '@yarnpkg/cli-dist/bin/yarn.js'), 'node'] }),
  }
}

const npm = (...flags) => ({
  args: () => [join(tools(), 'npm/bin/npm-cli.js'), 'install', '--no-audit', '--no-fund', ...flags],
})

/**
 * `args`: arguments of Node to install; `prepare`: writes files that must exist before; `run`: how a program is run.
 */
export const MANAGERS = {
  npm: npm(),
  'npm --omit=optional': npm('--omit=optional'),
  pnpm: {
    args: ({ work }) => [join(tools(), 'pnpm/bin/pnpm.cjs'), 'install', '--store-dir', join(work, 'pnpm-store')],
  },
  'yarn 4': yarn4('node-modules'),
  'yarn 4 PnP': yarn4('pnp'),
  'yarn 1': {
    args: ({ work }) => [
      join(tools(), 'yarn/bin/yarn.js'),
      'install',
      '--cache-folder',
      join(work, 'yarn-1-cache'),
      '--no-lockfile',
    ],
  },
}
