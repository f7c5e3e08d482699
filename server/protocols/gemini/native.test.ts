import { describe, expect, test } from 'vitest'
import { RelayError } from '../../errors.ts'
import { gemini } from './index.ts'

const query = (text = '') => new URLSearchParams(text)

describe('match', () => {
  test.each([
    ['/v1beta/models/gemini-2.5-flash:generateContent', '', { operation: 'generate', stream: false }],
    [
      '/v1beta/models/gemini-2.5-flash:streamGenerateContent',
      'alt=sse',
      { operation: 'generate', stream: true, sse: true },
    ],
    ['/v1beta/models/gemini-2.5-flash:streamGenerateContent', '', { operation: 'generate', stream: true, sse: false }],
    [
      '/v1/models/gemini-2.5-flash:streamGenerateContent',
      'alt=json',
      { operation: 'generate', stream: true, sse: false },
    ],
    ['/models/gemini-2.5-flash:countTokens', '', { operation: 'count-tokens', stream: false }],
    [
      '/v1beta1/publishers/google/models/gemini-2.5-flash:generateContent',
      '',
      { operation: 'generate', stream: false },
    ],
    [
      '/v1/projects/p/locations/global/publishers/google/models/gemini-2.5-flash:generateContent',
      '',
      { operation: 'generate', stream: false },
    ],
  ])('%s?%s', (path, search, wanted) => {
    expect(gemini.match(path, query(search))).toEqual({ ...wanted, model: 'gemini-2.5-flash' })
  })
  test.each([
    ['/v1beta/models/google/gemini-3:free:generateContent', 'google/gemini-3:free'],
    ['/v1beta/models/google%2Fgemini%203:generateContent', 'google/gemini 3'],
    ['/v1beta/models/100%:generateContent', '100%'],
  ])('the model of %s is %s', (path, model) => {
    expect(gemini.match(path, query())?.model).toBe(model)
  })
  test.each([
    '/v1beta/models/gemini-2.5-flash',
    '/v1beta/models/gemini-2.5-flash:embedContent',
    '/v1beta/models/gemini-2.5-flash:toString',
    '/v1beta/models/:generateContent',
    '/v1/chat/completions',
    '/v1internal:generateContent',
  ])('%s is not ours', (path) => {
    expect(gemini.match(path, query())).toBeNull()
  })
})

describe('peek', () => {
  const route = { operation: 'generate', model: 'm', stream: true, sse: true } as const
  test('the route says model and stream', () => {
    expect(gemini.peek(Buffer.from('{"contents":[]}'), route)).toEqual({ model: 'm', stream: true })
  })
  test.each(['[]', '"x"', '', '{"contents":'])('%j is refused', (body) => {
    expect(() => gemini.peek(Buffer.from(body), route)).toThrow(RelayError)
  })
  test('the model inside a countTokens request can be replaced without its prefix', () => {
    const body = Buffer.from('{"generateContentRequest": {"model": "models/old", "contents": []}}')
    const { modelSpan } = gemini.peek(body, { operation: 'count-tokens', model: 'old', stream: false })
    expect(body.toString('utf8', modelSpan?.start, modelSpan?.end)).toBe('old')
  })
})

test.each([
  [{ model: 'gemini-3-pro', stream: false, operation: 'generate' }, '/models/gemini-3-pro:generateContent'],
  [
    { model: 'models/gemini-3-pro', stream: true, operation: 'generate' },
    '/models/gemini-3-pro:streamGenerateContent?alt=sse',
  ],
  [{ model: 'google/gemini-3', stream: false, operation: 'count-tokens' }, '/models/google%2Fgemini-3:countTokens'],
  [{ model: 'tunedModels/mine', stream: false, operation: 'generate' }, '/tunedModels/mine:generateContent'],
] as const)('endpoint %#', (call, path) => {
  expect(gemini.endpoint(call).path).toBe(path)
})

test('the key has its own header, an access token is a bearer', () => {
  expect(gemini.authorize('AIza-key')).toEqual({ 'x-goog-api-key': 'AIza-key' })
  expect(gemini.authorize('ya29.token')).toEqual({ authorization: 'Bearer ya29.token' })
})

describe('reader', () => {
  const meanings: readonly [string, object, string][] = [
    ['text', { candidates: [{ content: { parts: [{ text: 'Hi' }] } }] }, 'content'],
    ['thought', { candidates: [{ content: { parts: [{ text: 'Hm', thought: true }] } }] }, 'content'],
    ['call', { candidates: [{ content: { parts: [{ functionCall: { name: 'f' } }] } }] }, 'content'],
    [
      'image',
      { candidates: [{ content: { parts: [{ inlineData: { mimeType: 'image/png', data: '' } }] } }] },
      'content',
    ],
    ['code', { candidates: [{ content: { parts: [{ executableCode: { code: '1' } }] } }] }, 'content'],
    ['empty text', { candidates: [{ content: { parts: [{ text: '' }] } }] }, 'preamble'],
    [
      'empty text with a signature',
      { candidates: [{ content: { parts: [{ text: '', thoughtSignature: 'c2ln' }] } }] },
      'preamble',
    ],
    ['usage only', { usageMetadata: { trafficType: 'ON_DEMAND' } }, 'preamble'],
    ['no reason yet', { candidates: [{ finishReason: '' }] }, 'preamble'],
    ['end without content', { candidates: [{ content: { parts: [{ text: '' }] }, finishReason: 'STOP' }] }, 'end'],
    ['end with content', { candidates: [{ content: { parts: [{ text: '.' }] }, finishReason: 'STOP' }] }, 'content'],
    ['gemini-5: token limit without content', { candidates: [{ finishReason: 'MAX_TOKENS' }] }, 'content'],
    ['gemini-5: safety without content', { candidates: [{ finishReason: 'SAFETY', index: 0 }] }, 'content'],
    ['gemini-5: blocked prompt', { promptFeedback: { blockReason: 'PROHIBITED_CONTENT' } }, 'content'],
    ['gemini-10: malformed call', { candidates: [{ finishReason: 'MALFORMED_FUNCTION_CALL' }] }, 'content'],
  ]
  test.each(meanings)('%s', (_name, chunk, meaning) => {
    expect(gemini.reader().read({ data: JSON.stringify(chunk) })).toBe(meaning)
  })
  test('an error chunk is the error', () => {
    const meaning = gemini
      .reader()
      .read({ data: '{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}' })
    expect(meaning).toBeInstanceOf(RelayError)
    expect(meaning).toMatchObject({ kind: 'upstream_overloaded', message: 'overloaded' })
  })
  test('what is not JSON is the upstream failing', () => {
    expect(gemini.reader().read({ data: '{"candidates":' })).toMatchObject({ kind: 'upstream_failed' })
  })
  test('gemini-4: the last usage wins, and it is not parsed before somebody asks', () => {
    const reader = gemini.reader()
    reader.read({
      data: '{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{"promptTokenCount":9,"totalTokenCount":9}}',
    })
    expect(reader.usage).toMatchObject({ input: 9, output: 0 })
    const last =
      '{"usageMetadata":{"promptTokenCount":12,"cachedContentTokenCount":4,"candidatesTokenCount":5,"thoughtsTokenCount":7,"toolUsePromptTokenCount":3,"totalTokenCount":27}}'
    expect(reader.wants(last)).toBe(false)
    expect(reader.wants('{"candidates":[],"usageMetadata":{"trafficType":"ON_DEMAND"}}')).toBe(false)
    expect(reader.usage).toMatchObject({ input: 11, cacheRead: 4, output: 12, reasoning: 7 })
    expect(reader.complete).toBe(false)
    const finish = '{"candidates":[{"finishReason":"STOP"}]}'
    expect(reader.wants(finish)).toBe(true)
    reader.read({ data: finish })
    expect(reader.complete).toBe(true)
  })
})

describe('summarise', () => {
  test.each([
    ['text', { candidates: [{ content: { parts: [{ text: 'Hi' }] }, finishReason: 'STOP' }] }, false],
    ['nothing', { candidates: [{ content: { parts: [{ text: '' }] }, finishReason: 'STOP' }] }, true],
    ['no candidates', {}, true],
    ['blocked prompt', { promptFeedback: { blockReason: 'SAFETY' } }, false],
    ['token limit', { candidates: [{ finishReason: 'MAX_TOKENS' }] }, false],
    ['token count', { totalTokens: 12 }, false],
  ])('%s', (_name, body, empty) => {
    expect(gemini.summarise(body).empty).toBe(empty)
  })
  test('an error behind a 200', () => {
    expect(
      gemini.summarise({ error: { code: 429, message: 'slow', status: 'RESOURCE_EXHAUSTED' } }).error,
    ).toMatchObject({
      kind: 'rate_limited',
    })
  })
})

describe('decodeError', () => {
  const info = (reason: string) => ({ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason })
  const retry = (retryDelay: string) => ({ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay })
  const refusals: readonly [string, number, unknown, object][] = [
    [
      'gemini-8: an invalid key is a 400',
      400,
      {
        error: {
          code: 400,
          message: 'API key not valid.',
          status: 'INVALID_ARGUMENT',
          details: [info('API_KEY_INVALID')],
        },
      },
      { kind: 'key_refused' },
    ],
    [
      'gemini-8: quota has RetryInfo in the body',
      429,
      { error: { code: 429, message: 'quota', status: 'RESOURCE_EXHAUSTED', details: [info('x'), retry('12s')] } },
      { kind: 'rate_limited', detail: { retryAfterMs: 12_000 } },
    ],
    [
      'antigravity-4: a fraction is rounded up',
      429,
      { error: { message: 'quota', details: [retry('3.957525076s')] } },
      { kind: 'rate_limited', detail: { retryAfterMs: 3958 } },
    ],
    [
      'a delay that only the sentence names',
      429,
      { error: { message: 'Please retry in 1m2.5s.' } },
      { detail: { retryAfterMs: 62_500 } },
    ],
    [
      'an array',
      400,
      [{ error: { code: 400, message: 'bad', status: 'INVALID_ARGUMENT' } }],
      { kind: 'upstream_rejected', message: 'bad' },
    ],
    [
      'no capacity',
      429,
      { error: { message: 'No capacity', details: [info('MODEL_CAPACITY_EXHAUSTED')] } },
      { kind: 'upstream_overloaded' },
    ],
    [
      'too long',
      400,
      {
        error: {
          message: 'The input token count (9) exceeds the maximum number of tokens allowed (1).',
          status: 'INVALID_ARGUMENT',
        },
      },
      { kind: 'context_overflow' },
    ],
    ['a page', 502, '<html>', { kind: 'upstream_failed' }],
  ]
  test.each(refusals)('%s', (...[, status, body, wanted]) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    expect(gemini.decodeError(status, {}, text)).toMatchObject(wanted)
  })
})

describe('encodeError', () => {
  test('field violations and RetryInfo are details', () => {
    const error = new RelayError('rate_limited', 'slow down', { retryAfterMs: 11_200, param: 'contents[0].role' })
    expect(gemini.encodeError(error)).toEqual({
      status: 429,
      headers: { 'retry-after': '12' },
      body: {
        error: {
          code: 429,
          message: 'slow down',
          status: 'RESOURCE_EXHAUSTED',
          details: [
            {
              '@type': 'type.googleapis.com/google.rpc.BadRequest',
              fieldViolations: [{ field: 'contents[0].role', description: 'slow down' }],
            },
            { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '12s' },
          ],
        },
      },
    })
  })
  test('gemini-9: inside a stream it is a data line with CRLF, or the tail of the array', () => {
    const error = new RelayError('upstream_timeout', 'gone')
    const text = '{"error":{"code":504,"message":"gone","status":"DEADLINE_EXCEEDED"}}'
    expect(gemini.encodeStreamError(error, { operation: 'generate', sse: true })).toBe(`data: ${text}\r\n\r\n`)
    expect(gemini.encodeStreamError(error, { operation: 'generate', sse: false })).toBe(`,\n${text}]`)
  })
})

describe('reframe', () => {
  const stream = 'data: {"a": "é"}\r\n\r\ndata: {"b" :2}\r\n\r\n'
  test('gemini-9: a stream without alt=sse is an array of the same elements, cut anywhere', () => {
    const bytes = Buffer.from(stream)
    for (let cut = 0; cut <= bytes.length; cut++) {
      const form = gemini.reframe?.({ operation: 'generate', stream: true, sse: false })
      const parts = [bytes.subarray(0, cut), bytes.subarray(cut)].map((part) => form?.push(part))
      expect([...parts, form?.end()].join('')).toBe('[{"a": "é"},\n{"b" :2}]')
    }
  })
  test('an event that nobody terminated is an element too', () => {
    const form = gemini.reframe?.({ operation: 'generate', stream: true, sse: false })
    expect(`${form?.push(Buffer.from('data: {"a":1}')) ?? ''}${form?.end() ?? ''}`).toBe('[{"a":1}]')
  })
  test('no events are an empty array', () => {
    expect(gemini.reframe?.({ operation: 'generate', stream: true, sse: false })?.end()).toBe('[]')
  })
  test('SSE passes as it is', () => {
    expect(gemini.reframe?.({ operation: 'generate', stream: true, sse: true })).toBeNull()
  })
})

describe('catalogue', () => {
  test('pages, prefixes and models that cannot generate', () => {
    const body = {
      models: [
        { name: 'models/gemini-3-pro', supportedGenerationMethods: ['generateContent', 'countTokens'] },
        { name: 'models/embedding-001', supportedGenerationMethods: ['embedContent'] },
        { name: 'models/custom' },
      ],
      nextPageToken: 'a/b=',
    }
    expect(gemini.catalogue.decode(body)).toEqual({
      models: ['gemini-3-pro', 'custom'],
      next: 'pageSize=1000&pageToken=a%2Fb%3D',
    })
    expect(gemini.catalogue.decode({ models: [] })).toEqual({ models: [] })
  })
  test('our list can be read back', () => {
    const list = gemini.encodeCatalogue([
      { id: 'fast', created: 1 },
      { id: 'a/b', created: 1 },
    ])
    expect(gemini.catalogue.decode(list).models).toEqual(['fast', 'a/b'])
  })
})

test.each([
  ['https://generativelanguage.googleapis.com/v1beta/files/abc', true],
  ['gs://bucket/file.pdf', true],
  ['https://www.youtube.com/watch?v=x', true],
  ['https://youtu.be/x', true],
  ['https://example.com/cat.png', false],
  ['https://youtube.com.evil.example/x', false],
])('acceptsUrl %s', (url, accepted) => {
  expect(gemini.acceptsUrl({ type: 'media', mediaType: '', source: { kind: 'url', url } })).toBe(accepted)
})
