import { failures, type ErrorKind, type RelayError } from '../../errors.ts'
import type { JsonObject } from '../../model/request.ts'
import type { HeaderMap, WireError } from '../codec.ts'
import { asArray, asNumber, asObject, asString } from '../narrow.ts'
import { upstreamError } from '../upstream-error.ts'
import { objects } from './wire.ts'

/** An upstream's refusal: `{error:{code,message,status,details}}`, also as the only element of an array (streaming without SSE). */
export function decodeError(status: number, headers: HeaderMap, body: string): RelayError {
  const error = errorOf(parse(body))
  if (error === undefined) return upstreamError({ status, headers, message: plainText(body) })
  return refusal(error, status, headers)
}

/** An error object that came where an answer was due, behind a status 200. Undefined where there is none. */
export function errorBehindOk(body: JsonObject): RelayError | undefined {
  const error = errorOf(body)
  if (error === undefined) return undefined
  const code = asNumber(error['code'])
  return refusal(error, code !== undefined && code >= 400 && code < 600 ? code : 502, {})
}

export function encodeError(error: RelayError): WireError {
  const seconds = retrySeconds(error)
  return {
    status: error.status,
    headers: seconds === undefined ? {} : { 'retry-after': String(seconds) },
    body: errorBody(error),
  }
}

/** Google's words: field violations and the time to wait are `details`, which its clients read instead of headers. */
export function errorBody(error: RelayError): JsonObject {
  const { param } = error.detail
  const seconds = retrySeconds(error)
  const details: JsonObject[] = []
  if (param !== undefined)
    details.push({
      '@type': 'type.googleapis.com/google.rpc.BadRequest',
      fieldViolations: [{ field: param, description: error.message }],
    })
  if (seconds !== undefined)
    details.push({ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: `${seconds}s` })
  return {
    error: {
      code: error.status,
      message: error.message,
      status: failures[error.kind].google,
      ...(details.length > 0 && { details }),
    },
  }
}

function retrySeconds(error: RelayError): number | undefined {
  const wait = error.detail.retryAfterMs
  return wait === undefined ? undefined : Math.ceil(wait / 1000)
}

function refusal(error: JsonObject, status: number, headers: HeaderMap): RelayError {
  const message = asString(error['message']) ?? ''
  const details = objects(error['details'])
  const reasons = details.flatMap((detail) => asString(detail['reason']) ?? [])
  return upstreamError({
    status,
    headers,
    message,
    code: asString(error['status']),
    retryAfterMs: retryDelayMs(details, message),
    kind: kindOf({ status, message, reasons }),
  })
}

interface Signs {
  readonly status: number
  readonly message: string
  readonly reasons: readonly string[]
}

/** What the status does not say: Google answers an invalid key with 400, and a model without capacity with 429 or 503. */
function kindOf({ status, message, reasons }: Signs): ErrorKind | undefined {
  if (reasons.includes('API_KEY_INVALID') || /API key (not valid|expired)/i.test(message)) return 'key_refused'
  if (reasons.includes('MODEL_CAPACITY_EXHAUSTED')) return 'upstream_overloaded'
  return status === 499 ? 'upstream_failed' : undefined
}

/** RetryInfo, then ErrorInfo's `quotaResetDelay` (Code Assist), then the sentence itself ("Please retry in 12.3s"). */
function retryDelayMs(details: readonly JsonObject[], message: string): number | undefined {
  for (const detail of details) {
    const delay = asString(detail['retryDelay']) ?? asString(asObject(detail['metadata'])?.['quotaResetDelay'])
    const wait = delay === undefined ? undefined : durationMs(delay)
    if (wait !== undefined) return wait
  }
  const said = /(?:retry in|reset after) ((?:\d+(?:\.\d+)?(?:ms|h|m|s))+)/i.exec(message)?.[1]
  return said === undefined ? undefined : durationMs(said)
}

/** `12s`, `3.957525076s`, `373.8ms`, `1h2m3s` → ms, rounded up so that nobody comes too early. */
function durationMs(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ms|h|m|s))+$/.test(text)) return undefined
  const unit: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 }
  let sum = 0
  for (const [, amount, name] of text.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g))
    sum += Number(amount) * (unit[name ?? ''] ?? 0)
  return Math.ceil(sum)
}

function errorOf(body: unknown): JsonObject | undefined {
  const object = asObject(asArray(body)?.[0] ?? body)
  if (object === undefined) return undefined
  const error = object['error']
  return typeof error === 'string' ? { message: error } : asObject(error)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A proxy's HTML page says nothing to a person. */
function plainText(body: string): string {
  const text = body.trim()
  return text.startsWith('<') ? '' : text.slice(0, 500)
}
