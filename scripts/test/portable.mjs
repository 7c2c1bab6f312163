// `npm run test:portable`: runs the specs that hold on every platform and with every binding.
// usage: npm run test:portable [-- -- ava argument ...]
// The rest of the suite tests the kernel path of Linux, or needs information about processes that only Linux provides.
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
