/**
 * The projects whose tests are run. `commit`: of the tag when this was written. `test`: the command of their
 * package.json without coverage, with TAP output if their runner has it; `files`: folder and pattern of the test files.
 * `kernel: false`: their tests have no destination that the kernel can reach, so that it must make no transfer.
 */

const MOCHA = ['node_modules/mocha/bin/_mocha', '--reporter', 'tap']
const NODE = ['--test', '--test-reporter', 'tap']
const LAB = ['node_modules/@hapi/lab/bin/lab', '-a', '@hapi/code', '-m', '10000', '-r', 'tap']

/** They respond to requests with files. */
const SERVERS = [
  {
    name: 'send',
    repository: 'pillarjs/send',
    tag: '1.2.1',
    commit: '096a6148bea0b82ca974fe0016e6eac280869249',
    test: [...MOCHA, '--check-leaks'],
  },
  {
    name: 'serve-static',
    repository: 'expressjs/serve-static',
    tag: 'v2.2.1',
    commit: '76312e12c2754c226a685201ff43d785455d0590',
    test: [...MOCHA, '--check-leaks', 'test/'],
  },
  {
    name: 'express',
    repository: 'expressjs/express',
    tag: 'v5.2.1',
    commit: 'dbac741a49a5a64336b70c06e85c2e2706e36336',
    test: [...MOCHA, '--require', 'test/support/env', '--check-leaks', 'test/', 'test/acceptance/'],
  },
  {
    name: 'sirv',
    repository: 'lukeed/sirv',
    tag: 'v3.0.1',
    commit: 'd061616827dd32d53b61ec9530c9445c8f592620',
    build: ['builder.js'],
    test: ['node_modules/uvu/bin.js', 'tests', '-i', 'public', '-i', 'helpers'],
    format: 'uvu',
  },
  {
    name: 'fastify-send',
    repository: 'fastify/send',
    tag: 'v4.1.0',
    commit: '1b54ebfce9a47325787663f4484b54dd855fa07a',
    test: NODE,
  },
  {
    name: 'fastify-static',
    repository: 'fastify/fastify-static',
    tag: 'v10.1.2',
    commit: '7a9d1c638dfad3f43973a90a3394e0207ee2ad20',
    test: NODE,
    files: ['test', /\.test\.js$/],
  },
  {
    name: 'fastify',
    repository: 'fastify/fastify',
    tag: 'v5.12.1',
    commit: '7d196a998c422062a3aaa3f8041db91ad576cea0',
    test: NODE,
    files: ['test', /(?:^|\/)(?:stream|reply).*\.test\.js$/],
  },
  {
    name: 'fastify-compress',
    repository: 'fastify/fastify-compress',
    tag: 'v9.2.0',
    commit: 'd5319511abc6fb4eeee311709e3c8f39f291931c',
    test: NODE,
    kernel: false,
  },
  {
    name: 'koa',
    repository: 'koajs/koa',
    tag: 'v3.2.0',
    commit: 'e0ba8ef39d27fe5dae5492f9fe753d155124f994',
    test: NODE,
  },
  {
    name: 'koa-static',
    repository: 'koajs/static',
    tag: '5.0.0',
    commit: '9b11d848086cd56ac8552b983a22d7386049aca8',
    test: [...MOCHA, '--exit'],
  },
  {
    name: 'st',
    repository: 'isaacs/st',
    tag: 'v4.0.5',
    commit: '0504d5c19519906211ef95d2ac5366799cb4e8dc',
    test: [...NODE, '--test-concurrency=1'],
    files: ['test', /-test\.js$/],
  },
  {
    name: 'http-server',
    repository: 'http-party/http-server',
    tag: 'v14.1.1',
    commit: 'af0ac3e4b9bd5fff55337aee32bf37f6116c7b4f',
    test: ['node_modules/tap/bin/run.js', '-R', 'tap', '--no-coverage', '--jobs=1'],
    files: ['test', /^(?!304).*\.test\.js$/], // that test does not end on Node.js 20 and later
  },
  {
    name: 'hapi', // its tests inject most requests, and hash what is sent
    repository: 'hapijs/hapi',
    tag: 'v21.4.7',
    commit: 'f2a24f6635c0892842f6eaf9154d3788f2f1d084',
    test: LAB,
    kernel: false,
  },
  {
    name: 'inert', // so do these
    repository: 'hapijs/inert',
    tag: 'v7.1.2',
    commit: '8305ec5beda749e03966df7aadffa2316b19c125',
    test: LAB,
    kernel: false,
  },
]

/** They send requests whose bodies are files. */
const CLIENTS = [
  {
    name: 'wreck',
    repository: 'hapijs/wreck',
    tag: 'v18.1.0',
    commit: 'ba28b0420d6b0998cd8e61be7f3f8822129c88fe',
    test: LAB,
  },
  {
    name: 'nock', // replaces requests and responses of Node by its own
    repository: 'nock/nock',
    tag: 'v14.0.13',
    commit: '07fbfab489ca878fda0db9ad34b1cee6381bb21c',
    test: [...MOCHA, '--recursive', 'tests'],
    kernel: false,
  },
  {
    name: 'multer', // uploads by form-data, which inserts its own stream
    repository: 'expressjs/multer',
    tag: 'v2.1.1',
    commit: '368c8a10cca11854cf17c24029fefd1eafb1c059',
    test: [...MOCHA, '--exit', '--check-leaks', 'test/'],
    kernel: false,
  },
]

/** They read files by streams, or replace functions that file streams use. */
const FILES = [
  {
    name: 'graceful-fs',
    repository: 'isaacs/node-graceful-fs',
    tag: 'v4.2.11',
    commit: '514861c372899df14beb7aaecca4cdbb498d7d11',
    test: ['test.js'],
  },
  {
    name: 'mock-fs',
    repository: 'tschaub/mock-fs',
    tag: 'v5.5.0',
    commit: '288e9435a1cf9fbbd96f7ef0d666abb593488565',
    test: [...MOCHA, '--recursive', 'test'],
  },
  {
    name: 'vinyl-fs',
    repository: 'gulpjs/vinyl-fs',
    tag: 'v4.0.2',
    commit: '02e9373d05fd783caeb9223acfacf2c032ca8710',
    test: [...MOCHA, '--async-only'],
  },
  {
    name: 'archiver',
    repository: 'archiverjs/node-archiver',
    tag: '8.0.0',
    commit: '52d1d349dfa2bf17956ecab56f477736688a9c5e',
    test: MOCHA,
  },
  {
    name: 'tar-fs',
    repository: 'mafintosh/tar-fs',
    tag: 'v3.1.0',
    commit: 'cb1c571fba8ec6dd56340f55dcd5d284372a8249',
    test: ['test/index.js'],
  },
  {
    name: 'end-of-stream',
    repository: 'mafintosh/end-of-stream',
    tag: 'v1.4.5',
    commit: 'cea89de8165f24e183603e63839522ec22af58df',
    test: ['test.js'],
  },
  {
    name: 'destroy',
    repository: 'stream-utils/destroy',
    tag: '1.2.0',
    commit: 'f387a486a42869ab8ef1c37a90922925063aeb57',
    test: MOCHA,
  },
].map((project) => Object.assign(project, { kernel: false }))

export const PROJECTS = [...SERVERS, ...CLIENTS, ...FILES]
