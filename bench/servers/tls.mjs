/** https with one file by one kind of stream or by `sendfile()`; sends its port and, on request, its CPU time. */
import fs from 'node:fs'
import https from 'node:https'
import { createReadStream, sendfile } from '../../dist/index.js'

const [rival, path] = process.argv.slice(2)
const pem = (name) => fs.readFileSync(new URL(`../../__test__/fixtures/tls/${name}.pem`, import.meta.url))
const create = rival === 'stream' ? createReadStream : fs.createReadStream
const options = rival === 'stock-1m' ? { highWaterMark: 1 << 20 } : undefined
const { size } = fs.statSync(path)

const server = https.createServer({ key: pem('key'), cert: pem('certificate') }, (req, res) => {
  res.setHeader('Content-Length', size)
  if (rival === 'sendfile') return void sendfile(res, path, { end: true })
  create(path, options).pipe(res)
})
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }))
process.on('message', () => process.send(process.cpuUsage()))
