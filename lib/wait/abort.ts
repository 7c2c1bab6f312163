/** Hears that an AbortSignal fires: one listener, however many transfers were given the same signal. */

/** Who is to be aborted. */
export interface Abortable {
  abort(): void
}

const waiting = new WeakMap<AbortSignal, Set<Abortable>>()

export function onAbort(signal: AbortSignal, transfer: Abortable): void {
  const transfers = waiting.get(signal)
  if (transfers !== undefined) return void transfers.add(transfer)
  waiting.set(signal, new Set([transfer]))
  signal.addEventListener('abort', fired)
}

/** Without a transfer left, the signal has no listener of ours. */
export function offAbort(signal: AbortSignal, transfer: Abortable): void {
  const transfers = waiting.get(signal)
  if (transfers === undefined) return
  transfers.delete(transfer)
  if (transfers.size > 0) return
  waiting.delete(signal)
  signal.removeEventListener('abort', fired)
}

function fired(this: AbortSignal): void {
  for (const transfer of waiting.get(this) ?? []) transfer.abort()
}
