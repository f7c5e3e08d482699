import { describe, expect, test } from 'vitest'
import { RelayError } from '../../errors.ts'
import type { FrameMeaning } from '../codec.ts'
import { openaiChat } from './index.ts'

const json = JSON.stringify
const none = new URLSearchParams()

describe('routes and addresses', () => {
  test.each(['/v1/chat/completions', '/chat/completions'])('%s is spoken here', (path) => {
    expect(openaiChat.match(path, none)).toEqual({ operation: 'generate' })
  })
  test.each(['/v1/completions', '/v1/messages', '/v1/chat/completions/', '/v1/chat'])('%s is not', (path) => {
    expect(openaiChat.match(path, none)).toBeNull()
  })
  test('below a base URL', () => {
    expect(openaiChat.endpoint({ model: 'm', stream: true, operation: 'generate' })).toEqual({
      path: '/chat/completions',
    })
    expect(openaiChat.authorize('sk-1')).toEqual({ authorization: 'Bearer sk-1' })
  })
  test('no credential is forwarded', () => {
    expect(openaiChat.forwardedHeaders).not.toContain('authorization')
    expect(openaiChat.forwardedHeaders.filter((name) => /key|token|cookie|auth/.test(name))).toEqual([])
  })
})

describe('peek', () => {
  const peek = (text: string) => openaiChat.peek(Buffer.from(text), { operation: 'generate' })
  test('finds model and stream wherever they stand', () => {
    const body = '{"messages":[{"role":"user","content":"\\"model\\":\\"x\\""}], "model" : "gpt-5" ,"stream":true}'
    const { model, stream, modelSpan } = peek(body)
    expect({ model, stream }).toEqual({ model: 'gpt-5', stream: true })
    expect(body.slice(modelSpan?.start, modelSpan?.end)).toBe('gpt-5')
  })
  test.each(['{"model":"a","stream":null}', '{"model":"a"}', '{"model":"a","stream":false}'])(
    '%s is not streamed',
    (body) => {
      expect(peek(body).stream).toBe(false)
    },
  )
  test.each([
    ['{}', 'model'],
    ['{"model":""}', 'model'],
    ['{"model":5}', 'model'],
    ['{"model":"a","model":"b"}', 'model'],
    ['{"model":"a","stream":"yes"}', 'stream'],
    ['{"model":"a","stream":1}', 'stream'],
    ['[]', 'body'],
    ['{"model":"a"', 'body'],
  ])('%s is refused naming %s', (body, param) => {
    expect(() => peek(body)).toThrow(expect.objectContaining({ kind: 'invalid_request', detail: { param } }))
  })
})

describe('reader', () => {
  const chunk = (fields: object): string => json({ id: 'c', object: 'chat.completion.chunk', ...fields })
  const delta = (fields: object, more: object = {}): string =>
    chunk({ choices: [{ index: 0, delta: fields, finish_reason: null, ...more }], usage: null })

  const rows: readonly (readonly [what: string, data: string, meaning: FrameMeaning])[] = [
    ['the role alone', delta({ role: 'assistant', content: '', refusal: null }), 'preamble'],
    ['Azure’s first chunk', chunk({ id: '', choices: [], prompt_filter_results: [{}] }), 'preamble'],
    ['an empty thought', delta({ role: 'assistant', content: null, reasoning_content: '' }), 'preamble'],
    ['text', delta({ content: 'a' }), 'content'],
    ['text in parts', delta({ content: [{ type: 'text', text: 'a' }] }), 'content'],
    ['a thought', delta({ reasoning_content: 'a' }), 'content'],
    ['a thought in Groq’s field', delta({ reasoning: 'a', channel: 'analysis' }), 'content'],
    [
      'an encrypted thought',
      delta({ content: '', reasoning_details: [{ type: 'reasoning.encrypted', data: 'x' }] }),
      'content',
    ],
    ['a call', delta({ tool_calls: [{ index: 0, id: 'x', function: { name: 'f', arguments: '' } }] }), 'content'],
    ['the older call', delta({ function_call: { name: 'f', arguments: '' } }), 'content'],
    ['a refusal', delta({ refusal: 'no' }), 'content'],
    ['an end without content', delta({}, { finish_reason: 'stop' }), 'preamble'],
    ['an end by the limit, all of it spent on hidden thoughts', delta({}, { finish_reason: 'length' }), 'content'],
    ['an end by the filter', delta({}, { finish_reason: 'content_filter' }), 'content'],
    ['usage alone', chunk({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 1 } }), 'preamble'],
    ['an error that is null', delta({ content: 'a' }).replace('{', '{"error":null,'), 'content'],
    ['the end', '[DONE]', 'end'],
    ['nothing', '', 'ignored'],
  ]
  test.each(rows)('%s', (_what, data, meaning) => {
    expect(openaiChat.reader().read({ data })).toBe(meaning)
  })

  test.each([
    ['an error object', json({ error: { message: 'x', code: 429 } }), undefined, 'rate_limited'],
    ['an error that is a string', json({ error: 'boom' }), undefined, 'upstream_failed'],
    ['vLLM’s error', json({ object: 'error', message: 'x', code: 500 }), undefined, 'upstream_failed'],
    ['an event named error', json({ message: 'x', status_code: 503 }), 'error', 'upstream_overloaded'],
    ['OpenRouter’s finish', delta({ content: '' }, { finish_reason: 'error' }), undefined, 'upstream_failed'],
    ['no JSON', '{"id":', undefined, 'upstream_failed'],
    ['no object', '42', undefined, 'upstream_failed'],
  ])('all-3: %s inside a 200 is an error and no end', (...[, data, event, kind]) => {
    const reader = openaiChat.reader()
    const meaning = reader.read(event === undefined ? { data } : { event, data })
    expect(meaning).toBeInstanceOf(RelayError)
    expect(meaning).toMatchObject({ kind })
    reader.read({ data: '[DONE]' })
    expect(reader.complete).toBe(false)
  })

  test.each([
    ['null usage', delta({ content: 'a' }), false],
    ['null usage, spaced', '{"choices": [{"delta": {"content": "a"}, "finish_reason": null}], "usage": null}', false],
    ['a text that speaks of usage', delta({ content: '"usage":{"x":1},"finish_reason":"stop","error":{}' }), false],
    ['the end', '[DONE]', true],
    ['usage', chunk({ choices: [], usage: { prompt_tokens: 1 } }), true],
    ['usage, spaced', '{"usage" : {"prompt_tokens": 1}}', true],
    ['usage behind a null one', '{"x_groq":{"usage":null},"usage":{"prompt_tokens":1}}', true],
    ['a finish', delta({}, { finish_reason: 'stop' }), true],
    ['an error', json({ error: { message: 'x' } }), true],
  ])('wants: %s', (_what, data, wanted) => {
    expect(openaiChat.reader().wants(data)).toBe(wanted)
  })

  test('complete by [DONE] alone', () => {
    const reader = openaiChat.reader()
    reader.read({ data: delta({ content: 'a' }) })
    expect(reader.complete).toBe(false)
    reader.read({ data: '[DONE]' })
    expect(reader.complete).toBe(true)
  })
  test('complete by a finish reason alone', () => {
    const reader = openaiChat.reader()
    reader.read({ data: delta({ content: 'a' }) })
    reader.read({ data: delta({}, { finish_reason: 'stop' }) })
    expect(reader.complete).toBe(true)
  })
  test('chat-8: complete only when every choice has finished', () => {
    const reader = openaiChat.reader()
    reader.read({ data: delta({ content: 'a' }) })
    reader.read({ data: delta({ content: 'a' }, { index: 1 }) })
    reader.read({ data: delta({}, { finish_reason: 'stop' }) })
    expect(reader.complete).toBe(false)
    reader.read({ data: delta({}, { index: 1, finish_reason: 'stop' }) })
    expect(reader.complete).toBe(true)
  })
})

describe('all-4: usage is partitioned', () => {
  const base = { cacheRead: 0, cacheWrite5m: 0, cacheWrite1h: 0 }
  test.each([
    [
      'OpenAI',
      {
        prompt_tokens: 10,
        completion_tokens: 5,
        total_tokens: 15,
        prompt_tokens_details: { cached_tokens: 4 },
        completion_tokens_details: { reasoning_tokens: 2 },
      },
      { ...base, input: 6, cacheRead: 4, output: 5, reasoning: 2 },
    ],
    [
      'DeepSeek',
      { prompt_tokens: 10, completion_tokens: 5, prompt_cache_hit_tokens: 4, prompt_cache_miss_tokens: 6 },
      { ...base, input: 6, cacheRead: 4, output: 5 },
    ],
    [
      'Moonshot',
      { prompt_tokens: 10, completion_tokens: 5, cached_tokens: 4 },
      { ...base, input: 6, cacheRead: 4, output: 5 },
    ],
    [
      'OpenRouter',
      { prompt_tokens: 10, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 4, cache_write_tokens: 3 } },
      { ...base, input: 3, cacheRead: 4, cacheWrite5m: 3, output: 5 },
    ],
    [
      'a proxy before Anthropic',
      { prompt_tokens: 10, completion_tokens: 5, cache_read_input_tokens: 4, cache_creation_input_tokens: 3 },
      { ...base, input: 3, cacheRead: 4, cacheWrite5m: 3, output: 5 },
    ],
    [
      'xAI counts thoughts apart',
      {
        prompt_tokens: 12,
        completion_tokens: 1,
        total_tokens: 303,
        completion_tokens_details: { reasoning_tokens: 290 },
      },
      { ...base, input: 12, output: 291, reasoning: 290 },
    ],
    [
      'Gemini hides thoughts in the total',
      { prompt_tokens: 10, completion_tokens: 5, total_tokens: 45 },
      { ...base, input: 10, output: 35 },
    ],
    [
      'a total that nothing explains',
      { prompt_tokens: 10, completion_tokens: 5, total_tokens: 45, completion_tokens_details: { reasoning_tokens: 2 } },
      { ...base, input: 10, output: 5, reasoning: 2 },
    ],
    [
      'negative and broken counts',
      { prompt_tokens: -1, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 'x' } },
      { ...base, input: 0, output: 5 },
    ],
    [
      'more cached than sent',
      { prompt_tokens: 3, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 9 } },
      { ...base, input: 0, cacheRead: 3, output: 5 },
    ],
  ])('%s', (_who, usage, expected) => {
    const body = { choices: [{ message: { content: 'a' } }], usage }
    expect(openaiChat.summarise(body).usage).toEqual({ ...expected, raw: usage })
  })
  test.each([
    [
      'inside the choice (Moonshot)',
      { choices: [{ index: 0, delta: {}, usage: { prompt_tokens: 1, completion_tokens: 2 } }] },
    ],
    ['in x_groq', { choices: [], x_groq: { usage: { prompt_tokens: 1, completion_tokens: 2 } } }],
    ['at the top', { choices: [], usage: { prompt_tokens: 1, completion_tokens: 2 } }],
  ])('found %s', (_where, body) => {
    const reader = openaiChat.reader()
    expect(reader.wants(json(body))).toBe(true)
    reader.read({ data: json(body) })
    expect(reader.usage).toMatchObject({ input: 1, output: 2 })
  })
  test('zeros do not wipe out what was told', () => {
    const reader = openaiChat.reader()
    reader.read({ data: json({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 2 } }) })
    reader.read({ data: json({ choices: [], usage: { prompt_tokens: 0, completion_tokens: 0 } }) })
    expect(reader.usage).toMatchObject({ input: 1, output: 2 })
  })
})

describe('summarise', () => {
  test.each([
    ['text', { choices: [{ message: { content: 'a' } }] }, false],
    ['a call', { choices: [{ message: { content: null, tool_calls: [{}] } }] }, false],
    ['a refusal', { choices: [{ message: { refusal: 'no' } }] }, false],
    ['thoughts', { choices: [{ message: { content: '', reasoning_content: 'a' } }] }, false],
    ['the second of two', { choices: [{ message: { content: '' } }, { message: { content: 'a' } }] }, false],
    ['cut by the limit', { choices: [{ message: { content: '' }, finish_reason: 'length' }] }, false],
    ['no choices', { choices: [] }, true],
    ['no choices field', {}, true],
    ['nothing said', { choices: [{ message: { content: '' }, finish_reason: 'stop' }] }, true],
  ])('%s', (_what, body, empty) => {
    expect(openaiChat.summarise(body)).toEqual({ usage: undefined, empty })
  })
  test('an error behind a 200', () => {
    expect(openaiChat.summarise({ error: { message: 'x', code: 429 } })).toMatchObject({
      empty: true,
      error: { kind: 'rate_limited' },
    })
  })
})

describe('catalogue', () => {
  test.each([
    ['OpenAI', { object: 'list', data: [{ id: 'a' }, { id: 'b' }, { id: 'a' }] }, { models: ['a', 'b'] }],
    ['Ollama', { models: [{ name: 'a' }] }, { models: ['a'] }],
    ['plain strings', { data: ['a', ''] }, { models: ['a'] }],
    ['pages', { data: [{ id: 'a/b' }], has_more: true }, { models: ['a/b'], next: 'after=a%2Fb' }],
    ['nothing', {}, { models: [] }],
  ])('%s', (_who, body, expected) => {
    expect(openaiChat.catalogue.decode(body)).toEqual(expected)
  })
  test('a bare array (Together)', () => {
    const body: unknown = [{ id: 'a' }]
    expect(openaiChat.catalogue.decode(body as never)).toEqual({ models: ['a'] })
  })
  test('the list of our own models', () => {
    expect(openaiChat.encodeCatalogue([{ id: 'g', created: 7 }])).toEqual({
      object: 'list',
      data: [{ id: 'g', object: 'model', created: 7, owned_by: 'octopus' }],
    })
  })
})

test('chat-1: an error inside the stream is the last thing said', () => {
  const text = openaiChat.encodeStreamError(new RelayError('upstream_failed', 'gone'), { operation: 'generate' })
  expect(text).toBe(
    'data: {"error":{"message":"gone","type":"server_error","param":null,"code":"upstream_failed"}}\n\n',
  )
})

test.each([
  ['image/png', true],
  ['video/mp4', true],
  ['', true],
  ['application/pdf', false],
  ['audio/wav', false],
])('an address may stand for %s: %s', (mediaType, accepted) => {
  expect(openaiChat.acceptsUrl({ type: 'media', mediaType, source: { kind: 'url', url: 'https://x/y' } })).toBe(
    accepted,
  )
})
