import { failures, type ErrorKind, type RelayError } from '../../errors.ts'
import type { JsonObject } from '../../model/request.ts'
import type { HeaderMap, WireError } from '../codec.ts'
import { asObject, asString, parseObject } from '../narrow.ts'
import { encodeFrame } from '../sse.ts'
import { upstreamError } from '../upstream-error.ts'

/** The status that Anthropic sends with each of its words (https://platform.claude.com/docs/en/api/errors). */
const STATUS: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  billing_error: 402,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  rate_limit_error: 429,
  api_error: 500,
  timeout_error: 504,
  overloaded_error: 529,
}

/** Words that say more than a status that gateways and clouds put before them. */
const KINDS: Readonly<Record<string, ErrorKind>> = {
  overloaded_error: 'upstream_overloaded',
  rate_limit_error: 'rate_limited',
  timeout_error: 'upstream_timeout',
}

/** A non-2xx answer. `{type: 'error', error: {type, message}}`, as lean as `{error: {message}}`, or any text. */
export function decodeError(status: number, headers: HeaderMap, body: string): RelayError {
  const told = asObject(parseObject(body)?.error)
  const code = asString(told?.type)
  const text = /^\s*</.test(body) ? '' : body.trim().slice(0, 500)
  return upstreamError({
    status,
    headers,
    message: asString(told?.message) ?? asString(parseObject(body)?.message) ?? text,
    code,
    kind: code === undefined ? undefined : KINDS[code],
  })
}

/** An error object that came with a 200, whole or as `event: error` in a stream: what it would have been as an answer of its own. */
export function toldError(body: JsonObject): RelayError {
  const told = asObject(body.error)
  const code = asString(told?.type)
  return upstreamError({
    status: STATUS[code ?? ''] ?? 500,
    headers: {},
    message: asString(told?.message) ?? asString(body.message) ?? asString(body.error) ?? '',
    code,
    kind: code === undefined ? undefined : KINDS[code],
  })
}

/** `{type: 'error', error: {type, message}}`; a `request_id` is Anthropic's to give. Overloaded is 529 here, not 503. */
export function encodeError(error: RelayError): WireError {
  const word = failures[error.kind].anthropic
  const { retryAfterMs } = error.detail
  return {
    status: word === 'overloaded_error' ? 529 : error.status,
    headers: retryAfterMs === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) },
    body: { type: 'error', error: { type: word, message: error.message } },
  }
}

/** Ends a stream: Anthropic sends nothing after `event: error`. */
export function errorFrame(error: RelayError): string {
  return encodeFrame({ event: 'error', data: JSON.stringify(encodeError(error).body) })
}
