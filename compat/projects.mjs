/** Whose tests are run. `commit` is what the tag was when this was written. `test`: what their package.json says, without coverage. */
export const PROJECTS = [
  {
    name: 'send',
    repository: 'pillarjs/send',
    tag: '1.2.1',
    commit: '096a6148bea0b82ca974fe0016e6eac280869249',
    test: ['node_modules/mocha/bin/mocha.js', '--check-leaks', '--reporter', 'spec'],
  },
  {
    name: 'serve-static',
    repository: 'expressjs/serve-static',
    tag: 'v2.2.1',
    commit: '76312e12c2754c226a685201ff43d785455d0590',
    test: ['node_modules/mocha/bin/mocha.js', '--check-leaks', '--reporter', 'spec', 'test/'],
  },
  {
    name: 'express',
    repository: 'expressjs/express',
    tag: 'v5.2.1',
    commit: 'dbac741a49a5a64336b70c06e85c2e2706e36336',
    test: [
      'node_modules/mocha/bin/mocha.js',
      '--require',
      'test/support/env',
      '--check-leaks',
      '--reporter',
      'spec',
      'test/',
      'test/acceptance/',
    ],
  },
  {
    name: 'sirv',
    repository: 'lukeed/sirv',
    tag: 'v3.0.1',
    commit: 'd061616827dd32d53b61ec9530c9445c8f592620',
    build: ['builder.js'],
    test: ['node_modules/uvu/bin.js', 'tests', '-i', 'public', '-i', 'helpers'],
  },
]
