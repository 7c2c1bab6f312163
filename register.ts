/** `node --import sendfile64/register` or `--require`: file streams of the process become those of this package. */
import { register } from './lib/register.ts'

register()
