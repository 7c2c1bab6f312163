// `npm run test:portable`: the specs that hold wherever Node runs, whichever binding is loaded.
// usage: npm run test:portable [-- -- ava argument ...]
// The rest of the suite looks at the kernel path of Linux, or at what only Linux shows of a process.
import { program } from '../dev/program.mjs'
import { run } from '../dev/provision.mjs'

const SPECS = [
  '__test__/contract/**/*.spec.ts',
  ...['options/sendfile', 'errors/sendfile-error', 'package/platforms', 'package/versions'].map(
    (name) => `__test__/${name}.spec.ts`,
  ),
]

await program(import.meta, { positionals: true }, ({ positionals }) =>
  run(process.execPath, ['node_modules/ava/entrypoints/cli.mjs', ...positionals, ...SPECS]),
)
