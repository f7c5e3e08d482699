import { RelayError, type ErrorKind } from '../errors.ts'
import type { HeaderMap } from './codec.ts'

/** An upstream's refusal as its dialect's `decodeError` read it. */
export interface UpstreamRefusal {
  readonly status: number
  readonly headers: HeaderMap
  /** The upstream's own sentence; '' when it gave none. */
  readonly message: string
  /** Its machine-readable word (`insufficient_quota`, `overloaded_error`, `RESOURCE_EXHAUSTED`). */
  readonly code?: string | undefined
  /** From the body, where the vendor puts it there (Google's RetryInfo); wins over headers. */
  readonly retryAfterMs?: number | undefined
  /** The dialect knows better than the status (Gemini's invalid key is a 400). */
  readonly kind?: ErrorKind | undefined
}

/** The one place that says what an upstream's status means for failover; dialects override by `kind` only. */
export function upstreamError(refusal: UpstreamRefusal): RelayError {
  const { status, headers, code } = refusal
  const message = refusal.message === '' ? `the upstream answered ${status} without a message` : refusal.message
  return new RelayError(refusal.kind ?? kindOf(refusal), message, {
    upstreamStatus: status,
    retryAfterMs: refusal.retryAfterMs ?? retryAfterMs(headers, Date.now()),
    upstreamCode: code,
  })
}

const OVERFLOW =
  /context[_ ](length|window)|maximum context|prompt is too long|too many (input )?tokens|exceeds? the maximum number of tokens|input (length )?.{0,20}too long/i
const QUOTA = /insufficient_quota|billing|credit balance|exceeded your current quota|insufficient balance/i

function kindOf({ status, message, code }: UpstreamRefusal): ErrorKind {
  const words = `${code ?? ''} ${message}`
  switch (status) {
    case 401:
    case 402:
    case 403:
      return 'key_refused'
    case 404:
      return 'upstream_model_missing'
    case 408:
    case 504:
    case 524:
      return 'upstream_timeout'
    case 429:
      return code === 'insufficient_quota' && QUOTA.test(words) ? 'key_refused' : 'rate_limited'
    case 503:
    case 529:
      return 'upstream_overloaded'
  }
  if ((status === 400 || status === 413 || status === 422) && OVERFLOW.test(words)) return 'context_overflow'
  if (status === 400 && QUOTA.test(words)) return 'key_refused'
  return status >= 400 && status < 500 ? 'upstream_rejected' : 'upstream_failed'
}

/**
 * How long an upstream asks to wait, in ms: `retry-after-ms`, `retry-after` (seconds or an HTTP date), else the latest of the vendors'
 * reset headers whose remaining count is 0 (`x-ratelimit-reset-requests: 1m2.5s`, `anthropic-ratelimit-tokens-reset: <RFC 3339>`).
 */
export function retryAfterMs(headers: HeaderMap, nowMs: number): number | undefined {
  const exact = Number(headers['retry-after-ms'])
  if (headers['retry-after-ms'] !== undefined && Number.isFinite(exact) && exact >= 0) return exact
  const after = headers['retry-after']
  if (after !== undefined) {
    const wait = /^\s*\d+(\.\d+)?\s*$/.test(after) ? Number(after) * 1000 : Date.parse(after) - nowMs
    if (Number.isFinite(wait)) return Math.max(0, Math.round(wait))
  }
  let latest: number | undefined
  for (const [name, value] of Object.entries(headers)) {
    const match = /^(x-ratelimit)-reset-(.+)$|^(anthropic-ratelimit)-(.+)-reset$/.exec(name)
    if (match === null || value === undefined) continue
    const [family, kind] = match[1] === undefined ? [match[3], match[4]] : [match[1], match[2]]
    const remaining =
      headers[`${family ?? ''}-remaining-${kind ?? ''}`] ?? headers[`${family ?? ''}-${kind ?? ''}-remaining`]
    if (remaining !== '0') continue
    const wait = parseReset(value, nowMs)
    if (wait !== undefined) latest = Math.max(latest ?? 0, wait)
  }
  return latest
}

/** `1m2.5s`, `350ms`, `12` (seconds), Unix seconds, or an RFC 3339 time → ms from now. */
function parseReset(value: string, nowMs: number): number | undefined {
  if (/^\d+(\.\d+)?$/.test(value)) {
    const number = Number(value)
    return number > 1e9 ? Math.max(0, number * 1000 - nowMs) : number * 1000
  }
  if (/^(\d+(\.\d+)?(ms|d|h|m|s))+$/.test(value)) {
    const unit: Record<string, number> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 }
    let sum = 0
    for (const [, amount, name] of value.matchAll(/(\d+(?:\.\d+)?)(ms|d|h|m|s)/g))
      sum += Number(amount) * (unit[name ?? ''] ?? 0)
    return Math.round(sum)
  }
  const time = Date.parse(value)
  return Number.isFinite(time) ? Math.max(0, time - nowMs) : undefined
}
