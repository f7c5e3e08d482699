import { describe, expect, test } from 'vitest'
import { failures, RelayError, type ErrorKind } from '../errors.ts'
import { decodeOpenAiError, decodeOpenAiErrorObject, encodeOpenAiError } from './openai-error.ts'

interface Row {
  readonly what: string
  readonly status: number
  readonly body: string
  readonly headers?: Record<string, string>
  readonly kind: ErrorKind
  readonly message: string | RegExp
  readonly code?: string
  readonly param?: string
  readonly retryAfterMs?: number
}

const json = JSON.stringify

describe('decodeOpenAiError', () => {
  const rows: readonly Row[] = [
    {
      what: 'OpenAI: a wrong key',
      status: 401,
      body: json({
        error: {
          message: 'Incorrect API key provided',
          type: 'invalid_request_error',
          param: null,
          code: 'invalid_api_key',
        },
      }),
      kind: 'key_refused',
      message: 'Incorrect API key provided',
      code: 'invalid_api_key',
    },
    {
      what: 'OpenAI: a wrong field',
      status: 400,
      body: json({
        error: {
          message: "Unsupported parameter: 'max_tokens'",
          type: 'invalid_request_error',
          param: 'max_tokens',
          code: 'unsupported_parameter',
        },
      }),
      kind: 'upstream_rejected',
      message: "Unsupported parameter: 'max_tokens'",
      code: 'unsupported_parameter',
      param: 'max_tokens',
    },
    {
      what: 'OpenAI: the prompt is too long',
      status: 400,
      body: json({
        error: {
          message: 'too long',
          type: 'invalid_request_error',
          param: 'messages',
          code: 'context_length_exceeded',
        },
      }),
      kind: 'context_overflow',
      message: 'too long',
      param: 'messages',
    },
    {
      what: 'OpenAI: a rate limit, the wait in the header',
      status: 429,
      headers: { 'retry-after': '3', 'retry-after-ms': '2652' },
      body: json({
        error: { message: 'Please try again in 9s.', type: 'tokens', param: null, code: 'rate_limit_exceeded' },
      }),
      kind: 'rate_limited',
      message: 'Please try again in 9s.',
      retryAfterMs: 2652,
    },
    {
      what: 'Azure: a rate limit, the wait only in the words',
      status: 429,
      body: json({ error: { message: 'Please retry after 12 seconds.', code: '429' } }),
      kind: 'rate_limited',
      message: 'Please retry after 12 seconds.',
      retryAfterMs: 12_000,
    },
    {
      what: 'OpenAI: a wait of minutes in the words',
      status: 429,
      body: json({
        error: { message: 'Please try again in 1m2.5s. Visit', type: 'requests', code: 'rate_limit_exceeded' },
      }),
      kind: 'rate_limited',
      message: /Visit/,
      retryAfterMs: 62_500,
    },
    {
      what: 'OpenAI: the account is spent',
      status: 429,
      body: json({
        error: {
          message: 'You exceeded your current quota',
          type: 'insufficient_quota',
          param: null,
          code: 'insufficient_quota',
        },
      }),
      kind: 'key_refused',
      message: /quota/,
    },
    {
      what: 'Moonshot: the account is spent',
      status: 429,
      body: json({ error: { message: 'account suspended', type: 'exceeded_current_quota_error' } }),
      kind: 'key_refused',
      message: 'account suspended',
      code: 'exceeded_current_quota_error',
    },
    {
      what: 'OpenAI: no access to the model is no wrong key',
      status: 403,
      body: json({
        error: { message: 'Project has no access to model x', type: 'invalid_request_error', code: 'model_not_found' },
      }),
      kind: 'upstream_model_missing',
      message: /no access/,
    },
    {
      what: 'DeepSeek: an unknown model is a 400',
      status: 400,
      body: json({
        error: { message: 'Model Not Exist', type: 'invalid_request_error', code: 'invalid_request_error' },
      }),
      kind: 'upstream_model_missing',
      message: 'Model Not Exist',
    },
    {
      what: 'xAI: a wrong key is a 400 whose error is a string',
      status: 400,
      body: json({
        code: 'Client specified an invalid argument',
        error: 'Incorrect API key provided: xa***. Get one.',
      }),
      kind: 'key_refused',
      message: /^Incorrect API key/,
    },
    {
      what: 'OpenRouter: the provider’s own words',
      status: 502,
      body: json({
        error: {
          message: 'Provider returned error',
          code: 502,
          metadata: { raw: json({ error: { message: 'boom' } }), provider_name: 'X' },
        },
      }),
      kind: 'upstream_failed',
      message: 'Provider returned error: boom',
    },
    {
      what: 'Ollama: the error is a string',
      status: 404,
      body: json({ error: 'model "x" not found' }),
      kind: 'upstream_model_missing',
      message: 'model "x" not found',
    },
    {
      what: 'vLLM: no wrapping',
      status: 400,
      body: json({
        object: 'error',
        message: "This model's maximum context length is 100 tokens",
        type: 'BadRequestError',
        param: null,
        code: 400,
      }),
      kind: 'context_overflow',
      message: /maximum context/,
      code: 'BadRequestError',
    },
    {
      what: 'FastAPI: a list of complaints',
      status: 422,
      body: json({ detail: [{ loc: ['body', 'n'], msg: 'Input should be 1' }, { msg: 'Field required' }] }),
      kind: 'upstream_rejected',
      message: 'Input should be 1; Field required',
    },
    {
      what: 'Gemini behind its OpenAI endpoint: an array, RetryInfo',
      status: 429,
      body: json([
        { error: { code: 429, message: 'Quota', status: 'RESOURCE_EXHAUSTED', details: [{ retryDelay: '7.5s' }] } },
      ]),
      kind: 'rate_limited',
      message: 'Quota',
      code: 'RESOURCE_EXHAUSTED',
      retryAfterMs: 7500,
    },
    {
      what: 'a proxy’s page',
      status: 502,
      body: '<html><head><title>502 Bad Gateway</title></head></html>',
      kind: 'upstream_failed',
      message: '502 Bad Gateway',
    },
    { what: 'plain words', status: 503, body: 'busy\n', kind: 'upstream_overloaded', message: 'busy' },
    {
      what: 'nothing',
      status: 500,
      body: '',
      kind: 'upstream_failed',
      message: 'the upstream answered 500 without a message',
    },
  ]
  test.each(rows)('$what', (row) => {
    const error = decodeOpenAiError(row.status, row.headers ?? {}, row.body)
    expect(error.kind).toBe(row.kind)
    expect(error.message).toEqual(row.message instanceof RegExp ? expect.stringMatching(row.message) : row.message)
    expect(error.detail.upstreamStatus).toBe(row.status)
    if (row.code !== undefined) expect(error.detail.upstreamCode).toBe(row.code)
    expect(error.detail.param).toBe(row.param)
    expect(error.detail.retryAfterMs).toBe(row.retryAfterMs)
  })
})

describe('decodeOpenAiErrorObject', () => {
  const rows: readonly (readonly [what: string, value: unknown, kind: ErrorKind])[] = [
    ['server_error', { message: 'x', type: 'server_error', code: null }, 'upstream_failed'],
    [
      'Groq names the status',
      { message: 'x', type: 'invalid_request_error', code: 'tool_use_failed', status_code: 400 },
      'upstream_rejected',
    ],
    ['OpenRouter names it as code', { message: 'x', code: 429 }, 'rate_limited'],
    ['a rate limit without a status', { message: 'x', code: 'rate_limit_exceeded' }, 'rate_limited'],
    ['overloaded', { message: 'x', type: 'overloaded_error' }, 'upstream_overloaded'],
    ['the prompt is too long', { message: 'x', code: 'context_length_exceeded' }, 'context_overflow'],
    ['a wrong field', { message: 'x', type: 'invalid_request_error', code: null }, 'upstream_rejected'],
    ['only words', 'Internal server error', 'upstream_failed'],
    ['nothing at all', null, 'upstream_failed'],
  ]
  test.each(rows)('%s', (_what, value, kind) => {
    expect(decodeOpenAiErrorObject(value).kind).toBe(kind)
  })
})

describe('encodeOpenAiError', () => {
  test.each(Object.keys(failures) as ErrorKind[])('%s has a body in OpenAI’s words', (kind) => {
    const answer = encodeOpenAiError(new RelayError(kind, 'why', { param: 'model' }))
    expect(answer.status).toBe(failures[kind].status)
    const [type, code] = failures[kind].openai
    expect(answer.body).toEqual({ error: { message: 'why', type, param: 'model', code } })
  })
  test('the wait stands in both headers that the SDKs read', () => {
    const answer = encodeOpenAiError(new RelayError('rate_limited', 'slow down', { retryAfterMs: 1200 }))
    expect(answer.headers).toMatchObject({ 'retry-after': '2', 'retry-after-ms': '1200' })
  })
  test('a spent budget is not asked for again', () => {
    expect(encodeOpenAiError(new RelayError('budget_exhausted', 'spent')).headers['x-should-retry']).toBe('false')
  })
  test('a refusal decoded and encoded keeps message, code and field', () => {
    const body = {
      error: { message: 'no', type: 'invalid_request_error', param: 'seed', code: 'unsupported_parameter' },
    }
    expect(encodeOpenAiError(decodeOpenAiError(400, {}, json(body))).body).toEqual(body)
  })
})
