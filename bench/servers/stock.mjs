/** fs.createReadStream(path).pipe(res), 64 KiB at a time. */
import fs from 'node:fs'
import { serve, streamFile } from './http-server.mjs'

serve((path, res) => streamFile(fs, path, res))
