/** Express with the usual middleware before its files. */
import compression from 'compression'
import express from 'express'
import session from 'express-session'
import helmet from 'helmet'
import morgan from 'morgan'
import { start } from './start.mjs'

const app = express()
app.use(morgan('tiny', { stream: { write() {} } }))
app.use(helmet({ contentSecurityPolicy: false }))
app.use(session({ secret: 'none', resave: false, saveUninitialized: true }))
app.use(compression())
app.get('/sent', (req, res) => res.sendFile('file.bin', { root: process.argv[2] }))
app.get('/download', (req, res) => res.download('file.bin', 'renamed.bin', { root: process.argv[2] }))
app.use(express.static(process.argv[2]))
start((port, listening) => app.listen(port, '127.0.0.1', listening))
