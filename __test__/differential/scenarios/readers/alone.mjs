/** Readers of the stream without a pipe. */
import { once } from 'node:events'
import { finished, PassThrough, Readable } from 'node:stream'
import { fileOf, MIB, sha256, within } from '../../scene.mjs'

const file = fileOf(8 * MIB)

export const alone = [
  {
    name: "'data' listeners",
    async run(scene) {
      const chunks = []
      const source = scene.source(scene.create(file.path))
      source.on('data', (chunk) => chunks.push(chunk))
      await within(once(source, 'close'), 'the end')
      return { sizes: chunks.map(({ length }) => length), sha256: sha256(Buffer.concat(chunks)) }
    },
  },
  {
    name: "'readable' listeners",
    async run(scene) {
      const chunks = []
      const source = scene.source(scene.create(file.path))
      source.on('readable', () => {
        for (let chunk = source.read(); chunk !== null; chunk = source.read()) chunks.push(chunk)
      })
      await within(once(source, 'close'), 'the end')
      return sha256(Buffer.concat(chunks))
    },
  },
  {
    name: 'for await',
    async run(scene) {
      const sizes = []
      for await (const chunk of scene.source(scene.create(file.path))) sizes.push(chunk.length)
      return sizes
    },
  },
  {
    name: 'for await with a break in the middle',
    async run(scene) {
      const source = scene.source(scene.create(file.path))
      let count = 0
      for await (const chunk of source) if ((count += chunk.length) > MIB) break
      return [count, source.destroyed]
    },
  },
  {
    name: 'Readable.toWeb',
    async run(scene) {
      const chunks = []
      for await (const chunk of Readable.toWeb(scene.create(file.path))) chunks.push(chunk)
      return sha256(Buffer.concat(chunks))
    },
  },
  {
    name: 'compose',
    async run(scene) {
      const composed = scene.create(file.path).compose(new PassThrough())
      return sha256(Buffer.concat(await composed.toArray()))
    },
  },
  {
    name: 'toArray, and iterator helpers',
    async run(scene) {
      const first = await scene.create(file.path).toArray()
      const lengths = await scene
        .create(file.path)
        .map(({ length }) => length)
        .take(3)
        .toArray()
      return [sha256(Buffer.concat(first)), lengths]
    },
  },
  {
    name: 'finished()',
    async run(scene) {
      const source = scene.create(file.path)
      source.resume()
      const error = await new Promise((resolve) => finished(source, (found) => resolve(found)))
      return [error, source.bytesRead]
    },
  },
  {
    name: 'setEncoding',
    async run(scene) {
      const source = scene.create(file.path).setEncoding('hex')
      let text = ''
      for await (const chunk of source) text += chunk
      return sha256(text)
    },
  },
].map((scenario) => Object.assign(scenario, { kernel: false }))
