// Descriptors, memory and threads must not grow; sampled while no transfer runs.
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import v8 from 'node:v8'
import vm from 'node:vm'

v8.setFlagsFromString('--expose-gc')
const collectGarbage = vm.runInNewContext('gc')

/**
 * Maximum number of threads without a slow disk: two shards, four threads of the disk pool, and one that watches while
 * those four work. A thread of the pool that has waited for 50 ms is compensated for by up to eight others, which end
 * after ten seconds without work. `Config` in crates/engine/src/engine.rs.
 */
const USUAL_THREADS = 2 + 4 + 1
const MOST_THREADS = 2 + 4 * 8
/** Maximum growth of the resident set in bytes over the judged time, by linear regression. */
const MOST_GROWTH = 24 << 20
/** The first samples are a warm-up of code, pools and the allocator. */
const WARM_UP = 0.25
const AGREEING = 5
const FEWEST = 8
/** Number of resident sizes that are printed. */
const SHOWN = 8

const descriptors = () => readdirSync('/proc/self/fd').length
const resident = () => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'latin1'))[1]) * 1024

/** Threads of the engine, by the names the kernel knows. */
function threads() {
  const names = readdirSync('/proc/self/task').map((id) => {
    try {
      return readFileSync(`/proc/self/task/${id}/comm`, 'latin1')
    } catch {
      return '' // it has ended in the meantime
    }
  })
  return names.filter((name) => name.startsWith('sendfile64-')).length
}

/** Waits until sockets have closed, which no event reports, and collects garbage. `at`: in ms. */
export async function sample(at) {
  let [last, same] = [descriptors(), 0]
  while (same < AGREEING) {
    await delay(10)
    const now = descriptors()
    same = now === last ? same + 1 : 0
    last = now
  }
  collectGarbage()
  return { at, descriptors: last, resident: resident(), threads: threads() }
}

/** The result of the samples. `problems` is empty if nothing grows. */
export function judge(samples) {
  if (samples.length < FEWEST) return { problems: [`${samples.length} samples tell nothing: soak for longer`] }
  const quarter = Math.max(1, Math.floor(samples.length * WARM_UP))
  const first = samples.slice(0, quarter)
  const last = samples.slice(-quarter)
  const most = (of, what) => Math.max(...of.map((each) => each[what]))
  const judged = samples.slice(quarter)
  const growth = growthOf(judged)
  const found = {
    samples: samples.length,
    descriptors: [most(first, 'descriptors'), most(last, 'descriptors')],
    resident: Array.from(
      { length: SHOWN },
      (_, place) => samples[Math.floor((place * (samples.length - 1)) / (SHOWN - 1))].resident,
    ),
    growth,
    threads: [most(samples, 'threads'), Math.min(...last.map((each) => each.threads))],
  }
  const problems = []
  if (found.descriptors[1] > found.descriptors[0]) problems.push(`descriptors grow: ${found.descriptors.join(' → ')}`)
  if (growth > MOST_GROWTH) problems.push(`the resident set grows by ${growth} bytes, allowed are ${MOST_GROWTH}`)
  if (found.threads[0] > MOST_THREADS) problems.push(`${found.threads[0]} threads, allowed are ${MOST_THREADS}`)
  if (found.threads[1] > USUAL_THREADS)
    problems.push(`never fewer than ${found.threads[1]} threads in the last quarter`)
  return { found, problems }
}

/** The rise of the regression line from the first to the last sample. */
function growthOf(samples) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length
  const time = mean(samples.map(({ at }) => at))
  const size = mean(samples.map(({ resident }) => resident))
  const spread = mean(samples.map(({ at }) => (at - time) ** 2))
  const common = mean(samples.map(({ at, resident }) => (at - time) * (resident - size)))
  return spread === 0 ? 0 : Math.round((common / spread) * (samples.at(-1).at - samples[0].at))
}
