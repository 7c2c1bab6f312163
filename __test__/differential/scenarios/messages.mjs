/**
 * The behavior of http around a body: keep-alive, pipelining, writes before and after, wrappers, timeouts, messages
 * without a body.
 */
import { around } from './messages/around.mjs'
import { connections } from './messages/connections.mjs'
import { framing } from './messages/framing.mjs'
import { times } from './messages/times.mjs'
import { state, wrappers } from './messages/wrappers.mjs'

export const scenarios = [...connections, ...around, ...framing, ...wrappers, ...times, state]
