/** sendfile(res, path, { end: true }). Its stats also have the methods of the bodies. */
import { CONTENT_TYPE, serve } from './http-server.mjs'
import { sendfile } from './package.mjs'

const methods = {}
const errors = {}

const count = (table, key) => {
  table[key] = (table[key] ?? 0) + 1
}

async function respond(path, res) {
  res.setHeader('Content-Type', CONTENT_TYPE)
  try {
    const { method } = await sendfile(res, path, { end: true })
    count(methods, method)
  } catch (error) {
    count(errors, error.code)
    res.destroy()
  }
}

serve(respond, () => ({ methods, errors }))
