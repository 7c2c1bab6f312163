/** A server that answers one request. */
import { fileOf, MIB } from '../../scene.mjs'

export const file = fileOf(8 * MIB)
export const { size } = file

/** Serves `respond(res, source)`, makes one request and returns the response. */
export async function oneRequest(scene, respond, { request, options, server: serverOptions } = {}) {
  const server = await scene.serve((req, res) => {
    const source = scene.source(scene.create(file.path, options))
    scene.response(res)
    respond(res, source, req)
  }, serverOptions)
  return scene.get(server.at, '/', request)
}
