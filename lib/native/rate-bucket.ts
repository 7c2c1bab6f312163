/** The token bucket of a RateLimiter, in the binding. Both executors take bytes from it. */
import { onRateSet, type RateLimiter } from '../options/rate-limiter.ts'
import { anyBinding, type Limiter } from './load.ts'

const buckets = new WeakMap<RateLimiter, Limiter>()
const everyChange: (() => void)[] = []

/** Created by the first transfer, because a RateLimiter also exists without a binding. */
export function bucketOf(limiter: RateLimiter): Limiter {
  const known = buckets.get(limiter)
  if (known !== undefined) return known
  const bucket = new (anyBinding().Limiter)(limiter.rate, limiter.burst)
  buckets.set(limiter, bucket)
  // The first listener of the limiter: the others ask the bucket again.
  onRateSet(limiter, () => {
    bucket.setRate(limiter.rate, limiter.burst)
    for (const listener of everyChange) listener()
  })
  return bucket
}

/** Calls `listener` when the rate changes, because a wait may have ended. Returns a function that removes the listener. */
export function onRateChange(limiter: RateLimiter, listener: () => void): () => void {
  bucketOf(limiter)
  return onRateSet(limiter, listener)
}

/** Calls `listener` when the rate of any limiter changes. The listener cannot be removed. */
export function onEveryRateChange(listener: () => void): void {
  everyChange.push(listener)
}
