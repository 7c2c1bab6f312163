// `npm run test:portable`: the specs that hold wherever Node runs, whichever binding is loaded.
// The rest of the suite looks at the kernel path of Linux, or at what only Linux shows of a process.
import { main, run } from '../dev/provision.mjs'

const SPECS = [
  '__test__/contract/**/*.spec.ts',
  ...['options/sendfile', 'errors/sendfile-error', 'package/platforms', 'package/versions'].map(
    (name) => `__test__/${name}.spec.ts`,
  ),
]

await main(() => run(process.execPath, ['node_modules/ava/entrypoints/cli.mjs', ...process.argv.slice(2), ...SPECS]))
