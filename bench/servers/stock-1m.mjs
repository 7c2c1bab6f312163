/** The fair baseline: the same stream with a highWaterMark of 1 MiB. */
import fs from 'node:fs'
import { serve, streamFile } from './http-server.mjs'

serve((path, res) => streamFile(fs, path, res, { highWaterMark: 1 << 20 }))
