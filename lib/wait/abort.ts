/** Listens to AbortSignals: one listener per signal, for any number of transfers. */

/** A transfer that can be aborted. */
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

/** Removes the listener after the last transfer. */
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
