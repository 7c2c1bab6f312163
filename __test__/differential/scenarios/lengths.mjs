/**
 * Files that are longer or shorter than the Content-Length that was announced for them. Here the stock stream has the
 * fault: each scenario states both results, and neither may differ from them.
 */
import { fileOf } from '../scene.mjs'

const READERS = {
  pipe: () => {},
  "a 'data' listener": (source) => void source.on('data', () => {}),
}

/** Whether the announced bytes arrived, whether more arrived, and the state of the connection and the response. */
async function respond(scene, { size, length, read }) {
  const file = fileOf(size)
  const seen = { finished: false, code: null }
  const server = await scene.serve((_, res) => {
    const source = scene.create(file.path)
    res.on('finish', () => (seen.finished = true))
    res.on('close', () => (seen.code = res.errored?.code ?? null))
    res.writeHead(200, { 'Content-Length': length })
    read(source)
    source.pipe(res)
  })
  const client = await scene.connect(server.at)
  client.socket.on('error', () => {})
  client.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  // A connection that is kept emits nothing more.
  for (let last = -1; last !== client.length && !client.socket.destroyed;) {
    last = client.length
    await new Promise((resolve) => {
      setTimeout(resolve, 300)
    })
  }
  const bytes = Buffer.concat(client.chunks)
  const body = bytes.subarray(bytes.indexOf('\r\n\r\n') + 4)
  const isRight = body.equals(file.bytes.subarray(0, body.length))
  return {
    ...seen,
    isRight,
    isWhole: body.length >= length,
    isTooLong: body.length > length,
    isOpen: !client.socket.destroyed,
  }
}

const answered = { finished: true, code: null, isRight: true, isWhole: true, isTooLong: false, isOpen: true }

export const scenarios = Object.entries(READERS).flatMap(([name, read]) =>
  [
    [5000, 3000],
    [300_000, 200_000],
  ].flatMap(([long, short]) => [
    {
      name: `${name}, ${long} bytes but a Content-Length of ${short}`,
      run: (scene) => respond(scene, { size: long, length: short, read }),
      fault: { stock: { ...answered, isTooLong: true }, ours: answered },
    },
    {
      name: `${name}, ${short} bytes but a Content-Length of ${long}`,
      run: (scene) => respond(scene, { size: short, length: long, read }),
      fault: {
        stock: { ...answered, isWhole: false },
        ours: { ...answered, finished: false, code: 'ERR_SENDFILE_TRUNCATED', isWhole: false, isOpen: false },
      },
    },
  ]),
)
