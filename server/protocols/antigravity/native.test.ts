import { describe, expect, test } from 'vitest'
import { RelayError } from '../../errors.ts'
import { splice } from '../scan.ts'
import { antigravity } from './index.ts'

const generate = { operation: 'generate', stream: true, sse: true } as const

test.each([
  ['/v1internal:generateContent', '', { operation: 'generate', stream: false }],
  ['/v1internal:streamGenerateContent', 'alt=sse', { operation: 'generate', stream: true, sse: true }],
  ['/v1internal:streamGenerateContent', '', { operation: 'generate', stream: true, sse: false }],
  ['/v1internal:countTokens', '', { operation: 'count-tokens', stream: false }],
  ['/v1internal:loadCodeAssist', '', null],
  ['/v1beta/models/m:generateContent', '', null],
])('match %s?%s', (path, query, wanted) => {
  expect(antigravity.match(path, new URLSearchParams(query))).toEqual(wanted)
})

describe('peek', () => {
  test.each([
    [
      '{"project":"p","model":"gemini-3","request":{"model":"x"}}',
      'gemini-3',
      '{"project":"p","model":"NEW","request":{"model":"x"}}',
    ],
    ['{"model":"models/gemini-3"}', 'gemini-3', '{"model":"NEW"}'],
    [
      '{"request": {"model":"models/gemini-3","contents":[]}}',
      'gemini-3',
      '{"request": {"model":"models/NEW","contents":[]}}',
    ],
  ])('antigravity-1: %s', (text, model, replaced) => {
    const body = Buffer.from(text)
    const found = antigravity.peek(body, generate)
    expect(found).toMatchObject({ model, stream: true })
    expect(splice(body, found.modelSpan!, 'NEW').toString()).toBe(replaced)
  })
  test.each(['{"request":{}}', '{"model":""}', '{"model":7}', '{"model":"a","model":"b"}', '[]'])(
    '%s is refused',
    (text) => {
      expect(() => antigravity.peek(Buffer.from(text), generate)).toThrow(RelayError)
    },
  )
})

test('the address has no model', () => {
  expect(antigravity.endpoint({ model: 'm', stream: true, operation: 'generate' }).path).toBe(
    '/v1internal:streamGenerateContent?alt=sse',
  )
  expect(antigravity.endpoint({ model: 'm', stream: false, operation: 'generate' }).path).toBe(
    '/v1internal:generateContent',
  )
})

test('answers are read inside their envelope', () => {
  const reader = antigravity.reader()
  const chunk = (inner: object) => ({ data: JSON.stringify({ response: inner, traceId: 't' }) })
  expect(reader.read(chunk({ candidates: [{ content: { parts: [{ text: 'Hi' }] } }] }))).toBe('content')
  expect(reader.complete).toBe(false)
  reader.read(chunk({ candidates: [{ finishReason: 'STOP' }] }))
  expect(reader.complete).toBe(true)
})

test('antigravity-2: usage may come after the finish chunk', () => {
  const reader = antigravity.reader()
  reader.read({ data: '{"response":{"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"OTHER"}]}}' })
  reader.wants('{"response":{"usageMetadata":{"promptTokenCount":20,"candidatesTokenCount":3}}}')
  expect(reader.usage).toMatchObject({ input: 20, output: 3 })
})

test('antigravity-4: promptTokenCount includes what came from the cache', () => {
  const { usage } = antigravity.summarise({
    response: {
      candidates: [{ content: { parts: [{ text: 'Hi' }] } }],
      usageMetadata: { promptTokenCount: 100, cachedContentTokenCount: 80, candidatesTokenCount: 2 },
    },
  })
  expect(usage).toMatchObject({ input: 20, cacheRead: 80, output: 2 })
})

describe('bindAccount', () => {
  const account = { project: 'mine', requestId: 'r-1' }
  test.each([
    ['{"model":"m","project":"theirs","requestId":"own"}', { model: 'm', project: 'mine', requestId: 'own' }],
    ['{"model":"m"}', { model: 'm', project: 'mine', requestId: 'r-1' }],
    ['{ }', { project: 'mine', requestId: 'r-1' }],
  ])('%s', (text, wanted) => {
    expect(JSON.parse(antigravity.bindAccount!(Buffer.from(text), account).toString())).toEqual(wanted)
  })
})

test('the list of models', () => {
  const body = { models: { 'gemini-3': { quotaInfo: { remainingFraction: 1 } }, chat_1: { isInternal: true } } }
  expect(antigravity.catalogue.decode(body)).toEqual({ models: ['gemini-3'] })
  expect(antigravity.catalogue.decode(antigravity.encodeCatalogue([{ id: 'a', created: 1 }]))).toEqual({
    models: ['a'],
  })
})
