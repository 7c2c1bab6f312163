// One transfer of the plan, from the connection to the check of the received bytes.
import { createHash } from 'node:crypto'
import { close, openSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { promisify } from 'node:util'
import { sendfile } from '../dist/index.js'
import { connect } from './destinations.mjs'

/** Time limit of one transfer in ms. */
const LIMIT = 15_000

/** The permitted results of each end; the transfer may be over before it. */
const CODES = {
  read: [],
  slow: [],
  signal: ['ABORT_ERR'],
  reset: ['ECONNRESET', 'EPIPE', 'ERR_SENDFILE_DESTINATION', 'ERR_STREAM_DESTROYED', 'ERR_STREAM_PREMATURE_CLOSE'],
  destroy: ['ERR_SENDFILE_DESTINATION', 'ERR_STREAM_DESTROYED'],
  stop: ['ERR_SENDFILE_STALLED'],
}

/** After these ends, exactly the sent bytes arrive: nothing was discarded. */
const EXACT = new Set(['read', 'slow', 'signal', 'stop'])

export class Failure extends Error {}

function check(condition, what) {
  if (!condition) throw new Failure(what)
}

/** Runs it and returns its result; throws a Failure with the problem. */
export async function run(plan, place) {
  const doing = { what: 'connecting' }
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Failure(`no result within ${LIMIT} ms while ${doing.what}`)), LIMIT)
  })
  try {
    return await Promise.race([perform(plan, place, doing), late])
  } finally {
    clearTimeout(timer)
  }
}

async function perform(plan, place, doing) {
  const { bytes, path } = place.files[plan.file]
  const { headers = 0, trailers = 0, offset } = plan.options
  const range = rangeOf(plan, bytes.length)
  const head = place.surround.subarray(0, headers)
  const tail = place.surround.subarray(headers, headers + trailers)
  const destination = await connect(plan, headers + range.announced + trailers, place)
  doing.what = 'sending'
  const source = await openSource(plan, path, offset)
  const abort = new AbortController()
  cutOffAt(plan, destination, abort)
  const progress = []
  const options = {
    ...plan.options,
    offset: plan.source === 'position' ? null : offset,
    headers: head,
    trailers: tail,
    signal: abort.signal,
    onProgress: ({ bytesSent }) => progress.push(bytesSent),
  }
  const ending = await sendfile(destination.target, source.argument, options).then(
    (result) => ({ code: undefined, ...result }),
    (error) => error,
  )
  doing.what = `ending, after ${ending.code ?? 'success'}`
  if (plan.source === 'position') await checkPosition(source.argument, bytes, ending.offset)
  await source.close()
  const good = ending.code === undefined
  if (destination.reader !== undefined) resume(plan, destination.reader)
  if (!good || !plan.options.end || plan.destination === 'file') await destination.end(good)
  if (plan.destination === 'fifo') await destination.end()
  doing.what = `reading, after ${ending.code ?? 'success'}`
  await destination.reader?.closed
  checkEnding(plan, bytes.length, range, ending, progress)
  checkArrived(plan, ending, destination.reader, [head, bytes.subarray(offset, offset + range.count), tail])
  await destination.close()
  return { ...ending, bytesSent: Number(ending.bytesSent) }
}

/** The available and the requested bytes. */
function rangeOf({ options: { offset, count } }, size) {
  const rest = Math.max(0, size - offset)
  return { count: Math.min(rest, count ?? rest), announced: count ?? rest }
}

async function openSource({ source }, path, offset) {
  if (source === 'path') return { argument: path, close: async () => {} }
  if (source === 'descriptor') {
    const fd = openSync(path, 'r')
    return { argument: fd, close: () => promisify(close)(fd) }
  }
  const handle = await open(path, 'r')
  if (source === 'position') await moveTo(handle, offset)
  return { argument: handle, close: () => handle.close() }
}

/** Node can move a position only by reading. */
async function moveTo(handle, offset) {
  const buffer = Buffer.allocUnsafe(1 << 20)
  for (let at = 0; at < offset;) {
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, offset - at), null)
    if (bytesRead === 0) return
    at += bytesRead
  }
}

/** The next byte read is the one after the last byte sent. */
async function checkPosition(handle, bytes, offset) {
  const { bytesRead, buffer } = await handle.read(Buffer.alloc(1), 0, 1, null)
  const expected = bytes.subarray(Number(offset), Number(offset) + 1)
  check(expected.equals(buffer.subarray(0, bytesRead)), `the file position is not ${offset}`)
}

/** The planned end takes effect after so many bytes; a reader that stops does so immediately. */
function cutOffAt({ end, at }, destination, abort) {
  if (end === 'read' || end === 'slow' || end === 'stop') return
  const cut = { signal: () => abort.abort(), reset: destination.reset, destroy: destination.destroy }[end]
  const { reader } = destination
  if (reader === undefined || at === 0) return void setImmediate(cut)
  reader.onLength = (length) => {
    if (length < at) return
    reader.onLength = () => {}
    cut()
  }
}

/** A stopped reader continues after the transfer was aborted. */
function resume({ end }, { stream }) {
  if (end === 'stop') stream.resume()
}

function checkEnding(plan, size, range, ending, progress) {
  const { code, bytesSent, offset } = ending
  const { options } = plan
  const codes = [undefined, ...CODES[plan.end]]
  // The position of a file that is shorter than the offset is its end.
  const start = BigInt(plan.source === 'position' ? Math.min(options.offset, size) : options.offset)
  if (plan.beyond) codes.splice(0, 1, 'ERR_SENDFILE_TRUNCATED')
  if (options.method === 'copy_file_range' && plan.destination !== 'file') codes.push('ERR_SENDFILE_UNSUPPORTED')
  check(codes.includes(code), `ended with ${code}: ${ending.stack ?? ''}`)
  const kind = options.bigint ? 'bigint' : 'number'
  check(typeof bytesSent === kind && typeof offset === kind, `${typeof bytesSent} where ${kind} was asked for`)
  check(BigInt(offset) === start + BigInt(bytesSent), `offset ${offset} after ${bytesSent} bytes from ${start}`)
  check(bytesSent <= range.count, `${bytesSent} of ${range.count} bytes sent`)
  if (code === undefined) check(Number(bytesSent) === range.count, `${bytesSent} of ${range.count} bytes, and no error`)
  const ordered = progress.every((sent, place) => place === 0 || sent >= progress[place - 1])
  check(ordered && (progress.at(-1) ?? 0) <= bytesSent, `progress ${progress.join()} of ${bytesSent}`)
}

/** The received bytes are a prefix of the expected bytes with the length `bytesSent`. */
function checkArrived({ destination, end }, { code, bytesSent }, reader, [head, range, tail]) {
  if (reader === undefined) return
  const whole = [head, range, tail]
  const hash = createHash('sha256')
  let left = reader.length
  for (const part of whole) {
    hash.update(part.subarray(0, left))
    left -= Math.min(left, part.length)
  }
  check(left === 0 && reader.digest() === hash.digest('hex'), `other bytes have arrived than were sent`)
  const ofRange = Math.min(range.length, Math.max(0, reader.length - head.length))
  const thrownAway = destination.startsWith('http') && code !== undefined
  if (code === undefined && EXACT.has(end)) {
    const length = head.length + range.length + tail.length
    check(reader.length === length, `${reader.length} of ${length} bytes have arrived`)
  }
  if (EXACT.has(end) && !thrownAway)
    check(ofRange === Number(bytesSent), `${ofRange} bytes of the range have arrived, ${bytesSent} were sent`)
  else check(ofRange <= bytesSent, `${ofRange} bytes of the range have arrived, only ${bytesSent} were sent`)
}
