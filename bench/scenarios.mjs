/** The load of every rival, limited by `requests` on each connection or by `seconds`. */
const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB

const FULL = {
  '1gib-c1': { bytes: GIB, connections: 1, requests: 4 },
  '1gib-c16': { bytes: GIB, connections: 16, requests: 1 },
  '1mib': { bytes: MIB, connections: 64, seconds: 3 },
  '64kib': { bytes: 64 * KIB, connections: 64, seconds: 3 },
  '4kib': { bytes: 4 * KIB, connections: 64, seconds: 3 },
}

/** Runs every path in seconds; the numbers mean nothing. */
const SMOKE = {
  '1gib-c1': { bytes: 8 * MIB, connections: 1, requests: 4 },
  '1gib-c16': { bytes: 8 * MIB, connections: 16, requests: 2 },
  '1mib': { bytes: MIB, connections: 64, requests: 4 },
  '64kib': { bytes: 64 * KIB, connections: 64, requests: 8 },
  '4kib': { bytes: 4 * KIB, connections: 64, requests: 8 },
}

/** Two threads read many connections; one thread reads one connection. */
const CLIENT_THREADS = 2

const WARM_UP_SECONDS = 0.5

/**
 * @param {boolean} smoke
 * @returns {{ name: string, file: string, bytes: number, connections: number, threads: number, load: object, warmUp: object }[]}
 */
export function scenarios(smoke) {
  return Object.entries(smoke ? SMOKE : FULL).map(([name, { bytes, connections, requests, seconds }]) => {
    const load = {
      connections,
      threads: Math.min(CLIENT_THREADS, connections),
      requests,
      seconds,
      expect: bytes,
    }
    const warmUp = seconds
      ? { ...load, seconds: WARM_UP_SECONDS }
      : { ...load, connections: 1, threads: 1, requests: 1 }
    return { name, file: `${bytes}-bytes`, bytes, connections, threads: load.threads, load, warmUp }
  })
}
