import { failures, RelayError, type ErrorKind } from '../errors.ts'
import type { JsonObject } from '../model/request.ts'
import type { HeaderMap, WireError } from './codec.ts'
import { asArray, asNumber, asObject, asString, parseObject } from './narrow.ts'
import { upstreamError } from './upstream-error.ts'

/** What an error object of the OpenAI family says, whatever its shape. */
interface Complaint {
  readonly message: string
  readonly code: string | undefined
  readonly param: string | undefined
  /** The HTTP status that the object itself names (OpenRouter's `code: 502`, Groq's `status_code: 400`). */
  readonly status: number | undefined
  readonly retryAfterMs: number | undefined
}

/**
 * A non-2xx answer of an upstream that speaks OpenAI Chat or Responses. Read are the shapes in use: `{error:{message,type,param,code}}`,
 * `{error:'…'}` (Ollama, xAI), `{message,…}` (vLLM, Mistral), `{detail:'…'|[{msg}]}` (FastAPI), `[{error:{…}}]` (Gemini's OpenAI
 * endpoint), and text that is no JSON (a proxy's page).
 */
export function decodeOpenAiError(status: number, headers: HeaderMap, body: string): RelayError {
  return refusal(complaintOf(parseAny(body) ?? plainText(body)), { status, headers })
}

/**
 * An error object inside a stream or a body that came with a 200: `{error:{…}}` itself, or Responses' `response.error`.
 * The status is what the object names, else what its words mean.
 */
export function decodeOpenAiErrorObject(value: unknown): RelayError {
  const complaint = complaintOf(value)
  return refusal(complaint, { status: complaint.status ?? statusOfWords(complaint), headers: {} })
}

/** `{message, type, param, code}` as OpenAI's SDKs expect it. */
export function openAiErrorObject(error: RelayError): JsonObject {
  const [type, code] = failures[error.kind].openai
  return {
    message: error.message,
    type,
    param: error.detail.param ?? null,
    code: code ?? error.detail.upstreamCode ?? null,
  }
}

/** The whole answer. `retry-after-ms` and `x-should-retry` are what the openai SDKs look at before `retry-after`. */
export function encodeOpenAiError(error: RelayError): WireError {
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  const wait = error.detail.retryAfterMs
  if (wait !== undefined) {
    headers['retry-after'] = String(Math.ceil(wait / 1000))
    headers['retry-after-ms'] = String(Math.ceil(wait))
  }
  if (error.kind === 'budget_exhausted' || error.kind === 'loop_detected') headers['x-should-retry'] = 'false'
  return { status: error.status, headers, body: { error: openAiErrorObject(error) } }
}

function refusal(complaint: Complaint, answer: { readonly status: number; readonly headers: HeaderMap }): RelayError {
  const error = upstreamError({
    ...answer,
    message: complaint.message,
    code: complaint.code,
    retryAfterMs: hasWait(answer.headers) ? undefined : complaint.retryAfterMs,
    kind: kindOf(answer.status, complaint),
  })
  return complaint.param === undefined
    ? error
    : new RelayError(error.kind, error.message, { ...error.detail, param: complaint.param })
}

const hasWait = (headers: HeaderMap): boolean =>
  headers['retry-after'] !== undefined || headers['retry-after-ms'] !== undefined

const KEY_WRONG = /(incorrect|invalid) api[ _-]?key|api[ _-]?key (is )?(not valid|invalid)/i
const NO_MODEL =
  /model\b.{0,120}\b(not exist|not found|not available|does not support chat|no longer)|not a valid model|no endpoints found for/i
const QUOTA_CODES = new Set(['insufficient_quota', 'exceeded_current_quota_error', 'billing_hard_limit_reached'])

/** Where the vendor's words say more than its status; everything else is upstream-error.ts's to decide. */
function kindOf(status: number, { message, code }: Complaint): ErrorKind | undefined {
  // OpenAI, Moonshot: a spent account is a 429 too, and waiting does not help it.
  if (code !== undefined && QUOTA_CODES.has(code)) return 'key_refused'
  if (code === 'context_length_exceeded') return 'context_overflow'
  // A project without access to a model is a 403 (OpenAI); an unknown model is a 400 (DeepSeek, OpenRouter).
  if (code === 'model_not_found') return 'upstream_model_missing'
  // xAI and Gemini's OpenAI endpoint answer a wrong key with a 400.
  if (status === 400 && (code === 'invalid_api_key' || KEY_WRONG.test(message))) return 'key_refused'
  if (status === 400 && NO_MODEL.test(message)) return 'upstream_model_missing'
  return undefined
}

/** The status behind an error object that came without one. */
function statusOfWords({ code, message }: Complaint): number {
  const words = `${code ?? ''} ${message}`
  if (/rate.?limit|insufficient_quota|too many requests|RESOURCE_EXHAUSTED/i.test(words)) return 429
  if (/overloaded|unavailable|capacity/i.test(words)) return 503
  if (/invalid_api_key|authentication|permission/i.test(code ?? '')) return 401
  if (/time.?out/i.test(code ?? '')) return 504
  if (/^(invalid_|unsupported_|context_length|tool_use_failed|content_filter)|INVALID_ARGUMENT/.test(code ?? ''))
    return 400
  return 500
}

function complaintOf(value: unknown): Complaint {
  if (typeof value === 'string') return { ...NOTHING, message: value, retryAfterMs: waitInText(value) }
  const outer = asObject(value) ?? asObject(asArray(value)?.[0])
  if (outer === undefined) return NOTHING
  const inner = outer['error']
  if (typeof inner === 'string') {
    return { ...complaintOf({ ...outer, error: undefined }), message: inner, retryAfterMs: waitInText(inner) }
  }
  const error = asObject(inner) ?? outer
  const message = messageOf(error)
  return {
    message,
    code: codeOf(error),
    param: asString(error['param']),
    status: [error['status_code'], error['code'], error['status']].map(asNumber).find(isErrorStatus),
    retryAfterMs: retryInfo(error) ?? waitInText(message),
  }
}

const NOTHING: Complaint = {
  message: '',
  code: undefined,
  param: undefined,
  status: undefined,
  retryAfterMs: undefined,
}

const isErrorStatus = (status: number | undefined): boolean => status !== undefined && status >= 400 && status < 600

function messageOf(error: JsonObject): string {
  const own = asString(error['message'])
  if (own !== undefined) return withProviderWords(own, error)
  const detail = error['detail']
  if (typeof detail === 'string') return detail
  const sentences = asArray(detail) ?? asArray(asObject(error['message'])?.['detail']) ?? []
  return sentences
    .map((entry) => asString(asObject(entry)?.['msg']))
    .filter((text) => text !== undefined)
    .join('; ')
}

/** OpenRouter says "Provider returned error" and puts the provider's own words into `metadata.raw`. */
function withProviderWords(message: string, error: JsonObject): string {
  const raw = asString(asObject(error['metadata'])?.['raw'])
  if (raw === undefined || raw === '') return message
  const nested = parseObject(raw)
  const words = nested === undefined ? raw : complaintOf(nested).message
  return words === '' ? message : `${message}: ${words.slice(0, 2000)}`
}

/** `code` where it is a word, else `type` (Azure and OpenRouter put a number or null there), else Google's `status`. */
function codeOf(error: JsonObject): string | undefined {
  const code = asString(error['code'])
  const type = asString(error['type'])
  if (type !== undefined && QUOTA_CODES.has(type)) return type
  if (code !== undefined && code !== '' && !/^\d+$/.test(code)) return code
  return type ?? asString(error['status'])
}

/** Google's RetryInfo (`details[].retryDelay: "12.5s"`), also behind its OpenAI endpoint. */
function retryInfo(error: JsonObject): number | undefined {
  for (const detail of asArray(error['details']) ?? []) {
    const delay = asString(asObject(detail)?.['retryDelay'])
    const seconds = /^(\d+(?:\.\d+)?)s$/.exec(delay ?? '')?.[1]
    if (seconds !== undefined) return Math.round(Number(seconds) * 1000)
  }
  return undefined
}

/** "Please try again in 1m2.652s", "retry after 20 seconds": the only place where Azure and errors inside streams say it. */
function waitInText(message: string): number | undefined {
  const match =
    /(?:try again in|retry after|retry in) ((?:\d+(?:\.\d+)?\s?(?:ms|milliseconds?|seconds?|minutes?|h|m|s)\s?)+)/i.exec(
      message,
    )
  if (match?.[1] === undefined) return undefined
  let sum = 0
  for (const [, amount, unit] of match[1].matchAll(/(\d+(?:\.\d+)?)\s?(ms|mill|h|m|s)/gi)) {
    const scale = { ms: 1, mill: 1, s: 1000, m: 60_000, h: 3_600_000 }[(unit ?? '').toLowerCase()] ?? 0
    sum += Number(amount) * scale
  }
  return Math.round(sum)
}

function parseAny(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}

/** A proxy's HTML page says nothing worth showing; its title does. */
function plainText(body: string): string {
  const title = /<title>([^<]{1,200})<\/title>/i.exec(body)?.[1]
  if (title !== undefined) return title.trim()
  return /^\s*</.test(body) ? '' : body.trim().slice(0, 500)
}
