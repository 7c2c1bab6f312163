/** Other readers of the stream beside or instead of a pipe, before it begins or in its middle. */
import { alone } from './readers/alone.mjs'
import { before } from './readers/before.mjs'
import { meanwhile } from './readers/meanwhile.mjs'

export const scenarios = [...alone, ...meanwhile, ...before]
