/** One file as the body of a response: every way to pipe it, every framing, every size around a border. */
import { pipeline } from 'node:stream'
import { pipeline as pipelinePromise } from 'node:stream/promises'
import { fileOf, MIB } from '../scene.mjs'

const WAYS = {
  pipe: (scene, source, res) => void source.pipe(res),
  pipeline: (scene, source, res) => void pipeline(source, res, (error) => scene.events.push(`callback ${error?.code}`)),
  'promises.pipeline': (scene, source, res) =>
    void pipelinePromise(source, res).then(
      () => scene.events.push('resolved'),
      (error) => scene.events.push(`rejected ${error.code}`),
    ),
}

const FRAMINGS = {
  length: { headers: ({ size }) => ({ 'Content-Length': size }), version: '1.1' },
  chunked: { headers: () => ({}), version: '1.1' },
  close: { headers: () => ({}), version: '1.0' },
}

const SIZES = [1, 4096, 65_536, 65_537, MIB, MIB + 1, 8 * MIB]

async function respond(scene, { way, framing, size, options }) {
  const file = fileOf(size)
  const states = []
  const server = await scene.serve((req, res) => {
    const source = scene.source(scene.create(file.path, options))
    scene.response(res)
    res.on('close', () =>
      states.push({
        finished: res.writableFinished,
        ended: res.writableEnded,
        length: res.writableLength,
        destroyed: res.destroyed,
        written: req.socket.bytesWritten > 0,
      }),
    )
    res.writeHead(200, FRAMINGS[framing].headers(file))
    WAYS[way](scene, source, res)
  })
  const answer = await scene.get(server.at, '/', { version: FRAMINGS[framing].version })
  const { chunks: _, ...rest } = answer
  return {
    ...rest,
    states,
    right: answer.bytes.equals(file.bytes.subarray(options?.start ?? 0, (options?.end ?? size) + 1)),
  }
}

const whole = Object.keys(WAYS).flatMap((way) =>
  Object.keys(FRAMINGS).flatMap((framing) =>
    SIZES.map((size) => ({
      name: `${way}, ${framing}, ${size} bytes`,
      run: (scene) => respond(scene, { way, framing, size }),
    })),
  ),
)

const RANGES = [
  { start: 0, end: 0 },
  { start: 1, end: 3 * MIB },
  { start: 5 * MIB + 17 },
  { end: 4 * MIB - 1 },
  { start: 8 * MIB - 1 },
  { start: 3, end: 100 * MIB },
]
const ranges = RANGES.map((options) => ({
  name: `range ${JSON.stringify(options)}`,
  run: (scene) => respond(scene, { way: 'pipe', framing: 'chunked', size: 8 * MIB, options }),
}))

const empty = [
  { name: 'an empty file', size: 0, options: {} },
  { name: 'a range beyond the end', size: 5000, options: { start: 6000 } },
].map(({ name, size, options }) => ({
  name,
  kernel: false,
  run: (scene) => respond(scene, { way: 'pipe', framing: 'chunked', size, options }),
}))

const highWaterMarks = [1, 1000, 16_384, 4 * MIB].map((highWaterMark) => ({
  name: `a highWaterMark of ${highWaterMark}`,
  run: (scene) =>
    respond(scene, {
      way: 'pipe',
      framing: 'length',
      size: highWaterMark === 1 ? 20_000 : 2 * MIB,
      options: { highWaterMark },
    }),
}))

export const scenarios = [...whole, ...ranges, ...empty, ...highWaterMarks]
