import test from 'ava'

import { badCalls, call } from '../fixtures/bad-call.ts'
import { evaluate, type NodeError, nodeMessages } from '../fixtures/node-errors.ts'

/** Source texts, because another process evaluates them to get Node's error for the same value. */
const LONG = `'${'long '.repeat(20)}'`
const NO_BYTES = [LONG, '"it\'s five"', "'5'", "''", 'true', '{}', '[]', "Symbol('five')", '() => 5', 'new Date(0)']
const FAR_NUMBERS = ['-1', '2 ** 53', '-(2 ** 53)', '2 ** 63']
const FRACTIONS = ['NaN', 'Infinity', '-Infinity', '1.5', '-0.1', 'Number.MIN_VALUE']
const FAR_BIGINTS = ['-1n', '2n ** 63n', '2n ** 64n', '-(2n ** 63n)', '2n ** 200n']
const NO_BOOLEANS = ["'yes'", '1', '0', 'null', '{}', '1n', 'Object.create(null)']
const NO_SIGNALS = ['{}', 'null', "'abort'", '5', 'new AbortController()', '{ aborted: false }', 'class Signal {}']
const NO_OPTIONS = ['5', "'offset'", 'true', '[]', '() => {}', "Symbol('options')", '10n']
const NO_STRINGS = ['5', 'null', '{}', 'true', "Symbol('sendfile')"]
const NO_NUMBERS = [LONG, "'5'", 'null', 'true', '{}', '[1]', '5n', "Symbol('five')", '() => 5']
const NO_FUNCTIONS = ["'log'", 'null', '5', '{}', '[]', 'true', 'Symbol.iterator']
const NO_PARTS = ["'header'", 'null', '5', 'true', 'new ArrayBuffer(8)', 'new DataView(new ArrayBuffer(8))', '() => {}']
const NO_METHODS = ["''", "'SENDFILE'", "'read'", "'toString'", "'__proto__'", "'auto '", `'${'x'.repeat(200)}'`]

type Wrong = Omit<NodeError, 'actual'>

const wrongType = (name: string, ...expected: string[]): Wrong => ({ code: 'ERR_INVALID_ARG_TYPE', name, expected })
const outOfRange = (name: string, expected: string): Wrong => ({ code: 'ERR_OUT_OF_RANGE', name, expected })

const tables: Record<string, readonly [Wrong, readonly string[]][]> = {
  'options that are no object': [[wrongType('options', 'Object'), NO_OPTIONS]],
  'an offset that is no count of bytes': bytes('offset', NO_BYTES),
  'a count that is no count of bytes': bytes('count', [...NO_BYTES, 'null']),
  'a signal that is none': [[wrongType('options.signal', 'AbortSignal'), NO_SIGNALS]],
  'a rate, a burst, a quantum, a timeout or an interval that is no number': [
    ...integers('rate', 0, Number.MAX_SAFE_INTEGER, ['2 ** 53'], 'RateLimiter'),
    ...integers('minRate', 0, Number.MAX_SAFE_INTEGER, ['2 ** 53']),
    ...integers('minRateWindow', 1, 2 ** 31 - 1, ['0', '2 ** 31']),
    ...integers('burst', 1, Number.MAX_SAFE_INTEGER, ['0', '2 ** 53']),
    ...integers('quantum', 1, 0x7ffff000, ['0', '0x7ffff001', '2 ** 31']),
    ...integers('stallTimeout', 0, 2 ** 31 - 1, ['2 ** 31']),
    ...integers('progressInterval', 1, 2 ** 31 - 1, ['0', '2 ** 31']),
  ],
  'headers or trailers that are no bytes': ['headers', 'trailers'].flatMap((name) => parts(name)),
  'an onProgress that is no function': [[wrongType('options.onProgress', 'Function'), NO_FUNCTIONS]],
  'an until that is not known': [
    [wrongType('options.until', 'string'), NO_STRINGS],
    [
      {
        code: 'ERR_INVALID_ARG_VALUE',
        name: 'options.until',
        expected: "must be one of: 'queued', 'acknowledged'",
      },
      ["''", "'sent'", "'ACKNOWLEDGED'", "'toString'"],
    ],
  ],
  'a flag that is no boolean': [
    [wrongType('options.end', 'boolean'), NO_BOOLEANS],
    [wrongType('options.bigint', 'boolean'), NO_BOOLEANS],
  ],
  'a method that is not known': [
    [wrongType('options.method', 'string'), NO_STRINGS],
    [
      {
        code: 'ERR_INVALID_ARG_VALUE',
        name: 'options.method',
        expected: "must be one of: 'auto', 'sendfile', 'splice', 'copy_file_range', 'copy'",
      },
      NO_METHODS,
    ],
  ],
}

function integers(
  option: string,
  least: number,
  most: number,
  far: readonly string[],
  ...others: readonly string[]
): [Wrong, readonly string[]][] {
  const name = `options.${option}`
  return [
    [wrongType(name, 'number', ...others), NO_NUMBERS],
    [outOfRange(name, 'an integer'), FRACTIONS],
    [outOfRange(name, `>= ${least} && <= ${most}`), ['-1', ...far]],
  ]
}

function parts(option: string): [Wrong, readonly string[]][] {
  return [[wrongType(`options.${option}`, 'Uint8Array', 'Array of them'), NO_PARTS]]
}

function bytes(option: string, wrong: readonly string[]): [Wrong, readonly string[]][] {
  const name = `options.${option}`
  return [
    [wrongType(name, 'number', 'bigint'), wrong],
    [outOfRange(name, 'an integer'), FRACTIONS],
    [outOfRange(name, '>= 0 && <= 9007199254740991 (use a bigint above)'), FAR_NUMBERS],
    [outOfRange(name, '>= 0 && <= 9223372036854775807'), FAR_BIGINTS],
  ]
}

for (const [title, table] of Object.entries(tables)) {
  test.serial(`${title}: rejects with Node's class, code and message, before anything is opened`, async (t) => {
    const errors = table.flatMap(([wrong, values]) => values.map((actual) => ({ ...wrong, actual })))
    const calls = errors.map(({ name, actual }) => ({ options: optionsWith(name, evaluate(actual)) }))
    const messages = nodeMessages(errors)
    const expected = errors.map(({ code }, index) => ({
      name: code === 'ERR_OUT_OF_RANGE' ? 'RangeError' : 'TypeError',
      code,
      message: messages[index],
    }))
    t.deepEqual(await badCalls(t, calls), expected)
  })
}

function optionsWith(name: string, value: unknown): unknown {
  const [, option] = name.split('.')
  return option === undefined ? value : { [option]: value }
}

test.serial('an error about one of several headers names its index', async (t) => {
  const options = { headers: [new Uint8Array(1), 'two'], trailers: [5] }
  const [said] = await badCalls(t, [{ options }])
  t.like(said, { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' })
  t.regex(said?.message ?? '', /^The "options\.headers\[1\]" property must be an instance of Uint8Array/)
})

test("the first line of the stack has the code, as in Node's errors", async (t) => {
  const error = await t.throwsAsync(call(undefined, undefined), { instanceOf: TypeError })
  t.regex(error?.stack ?? '', /^TypeError \[ERR_INVALID_ARG_TYPE\]: The "destination" argument must be /)
})

test('the call rejects with the exception of an option getter', async (t) => {
  const options = {
    get count(): number {
      throw new EvalError('no count today')
    },
  }
  t.deepEqual(await badCalls(t, [{ options }]), [{ name: 'EvalError', code: undefined, message: 'no count today' }])
})

test('bad arguments reject and never throw, and the destination is checked first', async (t) => {
  for (const args of [[], [undefined, undefined, 5], [{}, -1, { offset: -1 }]]) {
    const error = await t.throwsAsync(call(...args), { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE' })
    t.regex(error?.message ?? '', /"destination"/)
  }
})
