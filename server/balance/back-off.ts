import type { RelayError } from '../errors.ts'

const FIRST_MS = 250
const LONGEST_MS = 30_000
/** A wait that an upstream asks for and that is worth sitting out within a request. */
const SHORT_WAIT_MS = 10_000
/** So patient a client is told to come back: who never gives up looks in all the same, for limits get lifted early. */
const LONGEST_WAIT_MS = 60_000

/**
 * Full jitter over an exponential pause, never below half of it: retries of many clients must not come in step
 * (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). A wait that the upstream named is kept to, with a
 * little on top for the same reason. In ms; `round` counts from 0.
 */
export function backOffMs(round: number, random: () => number, askedMs?: number): number {
  const pause = Math.min(FIRST_MS * 2 ** Math.min(round, 20), LONGEST_MS)
  const own = pause * (0.5 + 0.5 * random())
  const asked = askedMs === undefined ? 0 : Math.min(askedMs, LONGEST_WAIT_MS) * (1 + 0.1 * random())
  return Math.round(Math.max(own, asked))
}

/**
 * Whether the only member of a group is worth asking again within the same request: it was overloaded, broke or could not be
 * reached, or it named a short wait. Silence is not: it has cost the client's patience already.
 */
export function worthRepeating({ kind, detail }: RelayError): boolean {
  switch (kind) {
    case 'upstream_overloaded':
    case 'upstream_failed':
      return detail.retryAfterMs === undefined || detail.retryAfterMs <= SHORT_WAIT_MS
    case 'rate_limited':
      return detail.retryAfterMs !== undefined && detail.retryAfterMs <= SHORT_WAIT_MS
    case 'upstream_timeout':
      return detail.upstreamCode === 'UND_ERR_CONNECT_TIMEOUT' || detail.upstreamCode === 'ETIMEDOUT'
    default:
      return false
  }
}

/** Whether waiting can mend it at all: a request that is refused for what it says is refused in an hour too. */
export function mayPass({ kind }: RelayError): boolean {
  switch (kind) {
    case 'upstream_overloaded':
    case 'upstream_failed':
    case 'upstream_timeout':
    case 'empty_answer':
    case 'rate_limited':
    case 'key_refused':
      return true
    default:
      return false
  }
}
