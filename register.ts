/** `node --import sendfile64/register` or `--require`: every file stream of the process is ours. */
import { register } from './lib/register.ts'

register()
