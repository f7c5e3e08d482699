import OpenAI from 'openai'
import { describe, expect, test } from 'vitest'
import { RelayError } from '../../errors.ts'
import { replay } from '../../model/collect.ts'
import type { ChatRequest, JsonObject, Opaque } from '../../model/request.ts'
import type { ChatResponse, FinishReason, StreamEvent } from '../../model/response.ts'
import { asArray, asObject, asString, parseObject } from '../narrow.ts'
import { unwrapOpaque } from '../signature.ts'
import { openaiChat } from './index.ts'

const { codec } = openaiChat
const asked: ChatRequest = { model: 'm', stream: true, messages: [], tools: [], sampling: {} }

function encode(events: readonly StreamEvent[], request: Partial<ChatRequest> = {}): string {
  const encoder = codec.encodeStream({ ...asked, ...request })
  return events.map((event) => encoder.push(event)).join('') + encoder.end()
}
const datas = (text: string): string[] =>
  text
    .split('\n\n')
    .filter(Boolean)
    .map((frame) => frame.slice('data: '.length))
const chunks = (text: string): JsonObject[] =>
  datas(text)
    .map(parseObject)
    .filter((chunk) => chunk !== undefined)
const choiceOf = (chunk: JsonObject | undefined): JsonObject => asObject(asArray(chunk?.choices)?.[0]) ?? {}
const deltas = (text: string): (JsonObject | undefined)[] =>
  chunks(text).map((chunk) => asObject(choiceOf(chunk).delta))

const start: StreamEvent = { type: 'start', id: 'r1', model: 'm', createdAt: 7 }
const stop: StreamEvent = { type: 'finish', finish: { reason: 'stop' } }
const text = (...pieces: string[]): StreamEvent[] => [
  { type: 'block-start', index: 0, block: { type: 'text' } },
  ...pieces.map((piece): StreamEvent => ({ type: 'block-delta', index: 0, text: piece })),
  { type: 'block-end', index: 0 },
]
const usage: StreamEvent = {
  type: 'usage',
  usage: { input: 3, cacheRead: 2, cacheWrite5m: 1, cacheWrite1h: 1, output: 5, reasoning: 4 },
  serviceTier: 'flex',
}
const block = (index: number, name: string, pieces: readonly string[]): StreamEvent[] => [
  { type: 'block-start', index, block: { type: 'tool-call', id: `id${index}`, name } },
  ...pieces.map((piece): StreamEvent => ({ type: 'block-delta', index, text: piece })),
  { type: 'block-end', index },
]

describe('encodeStream', () => {
  test('chat-9: the first delta has the role, the last a finish reason, then [DONE]', () => {
    const out = encode([start, ...text('a', '"b"\n'), usage, stop])
    expect(datas(out).at(-1)).toBe('[DONE]')
    expect(deltas(out)).toEqual([{ role: 'assistant', content: '' }, { content: 'a' }, { content: '"b"\n' }, {}])
    expect(chunks(out).map((chunk) => choiceOf(chunk).finish_reason)).toEqual([null, null, null, 'stop'])
    expect(chunks(out)[1]).toEqual({
      id: 'r1',
      object: 'chat.completion.chunk',
      created: 7,
      model: 'm',
      choices: [{ index: 0, delta: { content: 'a' }, logprobs: null, finish_reason: null }],
    })
  })

  test('chat-1: usage only if asked, in a chunk with no choices, null before', () => {
    expect(encode([start, ...text('a'), usage, stop])).not.toContain('usage')
    const out = chunks(encode([start, ...text('a'), usage, stop], { includeUsage: true }))
    expect(out.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true)
    expect(out.at(-1)).toEqual({
      id: 'r1',
      object: 'chat.completion.chunk',
      created: 7,
      model: 'm',
      service_tier: 'flex',
      choices: [],
      usage: {
        prompt_tokens: 7,
        completion_tokens: 5,
        total_tokens: 12,
        prompt_tokens_details: { cached_tokens: 2, cache_write_tokens: 2 },
        completion_tokens_details: { reasoning_tokens: 4 },
      },
    })
  })

  test('chat-1: no [DONE] after an error, and nothing after it', () => {
    const encoder = codec.encodeStream(asked)
    encoder.push(start)
    expect(encoder.push({ type: 'error', error: new RelayError('upstream_failed', 'gone') })).toContain(
      '"error":{"message":"gone"',
    )
    expect(encoder.push(stop) + encoder.end()).toBe('')
  })

  test('all-3: events that stop without a finish do not look finished', () => {
    const out = encode([start, ...text('a')])
    expect(out).toContain('"error"')
    expect(out).not.toContain('[DONE]')
  })

  test('calls: head, pieces, numbers; a call without arguments has an empty object', () => {
    const out = encode([
      start,
      ...block(0, 'f', ['{"a"', ':1', '}']),
      ...block(1, 'g', []),
      { type: 'finish', finish: { reason: 'tool-calls' } },
    ])
    expect(
      deltas(out)
        .slice(1, -1)
        .map((delta) => asArray(delta?.tool_calls)?.[0]),
    ).toEqual([
      { index: 0, id: 'id0', type: 'function', function: { name: 'f', arguments: '{"a"' } },
      { index: 0, function: { arguments: ':1' } },
      { index: 0, function: { arguments: '}' } },
      { index: 1, id: 'id1', type: 'function', function: { name: 'g', arguments: '{}' } },
    ])
    expect(choiceOf(chunks(out).at(-1)).finish_reason).toBe('tool_calls')
  })

  test('model-4: a whole call with its signature is one delta, where clients look for it', () => {
    const opaque: Opaque = { format: 'gemini', value: 'sig', origin: '3' }
    const out = encode([start, ...block(0, 'f', ['{}']).slice(0, -1), { type: 'block-end', index: 0, opaque }, stop])
    const call = asObject(asArray(deltas(out)[1]?.tool_calls)?.[0])
    expect(call).toMatchObject({ id: 'id0', function: { name: 'f', arguments: '{}' } })
    const carried = asObject(asObject(call?.extra_content)?.google)?.thought_signature
    expect(unwrapOpaque(carried as string, 'openai-chat')).toEqual(opaque)
  })

  test('model-5: a wrapped free-form call is unwrapped for a client that declared the tool, cut anywhere', () => {
    const input = '*** Begin "Patch"\n😀\\'
    const args = JSON.stringify({ input })
    for (let cut = 0; cut <= args.length; cut++) {
      const out = encode([start, ...block(0, 'patch', [args.slice(0, cut), args.slice(cut)]), stop], {
        tools: [{ type: 'custom', name: 'patch' }],
      })
      const calls = deltas(out)
        .map((delta) => asObject(asArray(delta?.tool_calls)?.[0]))
        .filter((call) => call !== undefined)
      expect(calls[0]).toMatchObject({ id: 'id0', type: 'custom', custom: { name: 'patch' } })
      expect(calls.map((call) => asString(asObject(call.custom)?.input)).join('')).toBe(input)
    }
  })

  test('chat-3: thoughts are reasoning_content, and what signs them follows', () => {
    const opaque: Opaque = { format: 'anthropic', value: 'sig', origin: '3' }
    const out = encode([
      start,
      { type: 'block-start', index: 0, block: { type: 'reasoning' } },
      { type: 'block-delta', index: 0, text: 'hm' },
      { type: 'block-end', index: 0, opaque },
      { type: 'block-start', index: 1, block: { type: 'text' } },
      { type: 'block-delta', index: 1, text: 'x' },
      { type: 'block-end', index: 1 },
      stop,
    ])
    const [, thought, signed] = deltas(out)
    expect(thought).toEqual({ reasoning_content: 'hm' })
    expect(asArray(signed?.reasoning_details)).toMatchObject([{ type: 'reasoning.encrypted', index: 0 }])
    // what a client that keeps both fields sends back is the block again
    const replayed = codec.decodeRequest(
      {
        headers: {},
        route: { operation: 'generate' },
        body: { model: 'm', messages: [{ role: 'assistant', content: 'x', reasoning_content: 'hm', ...signed }] },
      },
      () => undefined,
    )
    expect(replayed.messages[0]?.content).toEqual([
      { type: 'reasoning', text: 'hm', opaque },
      { type: 'text', text: 'x' },
    ])
  })

  test('chat-8: choices interleave, each with its role, its calls and its finish', () => {
    const out = encode([
      start,
      { type: 'block-start', index: 0, block: { type: 'text' }, choice: 1 },
      { type: 'block-delta', index: 0, text: 'b', choice: 1 },
      ...text('a'),
      { type: 'block-end', index: 0, choice: 1 },
      stop,
      { type: 'finish', finish: { reason: 'length' }, choice: 1 },
    ])
    const of = (index: number): unknown[] =>
      chunks(out)
        .map(choiceOf)
        .filter((choice) => choice.index === index)
        .map((choice) => [choice.delta, choice.finish_reason])
    expect(of(0)).toEqual([
      [{ role: 'assistant', content: '' }, null],
      [{ content: 'a' }, null],
      [{}, 'stop'],
    ])
    expect(of(1)).toEqual([
      [{ role: 'assistant', content: '' }, null],
      [{ content: 'b' }, null],
      [{}, 'length'],
    ])
  })

  test.each<[FinishReason, string]>([
    ['stop', 'stop'],
    ['length', 'length'],
    ['tool-calls', 'tool_calls'],
    ['content-filter', 'content_filter'],
    ['refusal', 'content_filter'],
    ['error', 'content_filter'],
    ['other', 'stop'],
  ])('model-8: %s is told as %s, one of the words that every client knows', (reason, word) => {
    const out = encode([start, ...text('a'), { type: 'finish', finish: { reason } }])
    expect(choiceOf(chunks(out).at(-1)).finish_reason).toBe(word)
  })

  test('a refusal, logprobs, citations, pictures', () => {
    const logprobs = { content: [{ token: '$&', logprob: -1 }] }
    const out = encode([
      start,
      { type: 'block-start', index: 0, block: { type: 'text' } },
      { type: 'block-delta', index: 0, text: 'a', logprobs },
      { type: 'citation', index: 0, citation: { url: 'https://x', title: 't', start: 0, end: 1 } },
      { type: 'block-end', index: 0 },
      {
        type: 'block-start',
        index: 1,
        block: { type: 'media', mediaType: 'image/png', source: { kind: 'base64', data: 'AA' } },
      },
      { type: 'block-end', index: 1 },
      { type: 'block-start', index: 2, block: { type: 'text', refusal: true } },
      { type: 'block-delta', index: 2, text: 'no' },
      { type: 'block-end', index: 2 },
      { type: 'finish', finish: { reason: 'refusal' } },
    ])
    expect(choiceOf(chunks(out)[1]).logprobs).toEqual(logprobs)
    expect(deltas(out).slice(2)).toEqual([
      {
        annotations: [
          { type: 'url_citation', url_citation: { url: 'https://x', title: 't', start_index: 0, end_index: 1 } },
        ],
      },
      { images: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AA' } }] },
      { refusal: 'no' },
      {},
    ])
    expect(choiceOf(chunks(out).at(-1)).finish_reason).toBe('stop')
  })

  test('a client of the older functions reads function_call', () => {
    const out = encode(
      [
        start,
        ...block(0, 'f', ['{"a"', ':1}']),
        ...block(1, 'g', ['{}']),
        { type: 'finish', finish: { reason: 'tool-calls' } },
      ],
      { legacyFunctions: true },
    )
    expect(deltas(out).slice(1)).toEqual([
      { function_call: { name: 'f', arguments: '{"a"' } },
      { function_call: { arguments: ':1}' } },
      {},
    ])
    expect(choiceOf(chunks(out).at(-1)).finish_reason).toBe('function_call')
  })
})

const response: ChatResponse = {
  id: 'r1',
  model: 'm',
  createdAt: 7,
  content: [
    { type: 'reasoning', text: 'hm', opaque: { format: 'anthropic', value: 's', origin: '3' } },
    { type: 'text', text: 'let me look' },
    { type: 'tool-call', id: 'a', name: 'f', arguments: '{"x":1}' },
    { type: 'tool-call', id: 'b', name: 'g', arguments: '' },
  ],
  finish: { reason: 'tool-calls' },
  usage: { input: 3, cacheRead: 2, cacheWrite5m: 0, cacheWrite1h: 0, output: 5 },
}

/** The official client with our bytes behind it. */
function client(body: string, type: string): OpenAI {
  const fetch = (): Promise<Response> => Promise.resolve(new Response(body, { headers: { 'content-type': type } }))
  return new OpenAI({ apiKey: 'k', baseURL: 'http://127.0.0.1:9/v1', fetch, maxRetries: 0 })
}
const params = { model: 'm', messages: [{ role: 'user', content: 'x' }], tools: [] } as const

describe('the openai SDK reads our answers', () => {
  test('chat-9: its stream helper puts the message together', async () => {
    const body = encode(replay(response), { includeUsage: true })
    const final = await client(body, 'text/event-stream')
      .chat.completions.stream({ ...params, messages: [...params.messages], tools: [] })
      .finalChatCompletion()
    expect(final.choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: {
        role: 'assistant',
        content: 'let me look',
        tool_calls: [
          { id: 'a', type: 'function', function: { name: 'f', arguments: '{"x":1}' } },
          { id: 'b', type: 'function', function: { name: 'g', arguments: '{}' } },
        ],
      },
    })
    expect(final.usage).toMatchObject({ prompt_tokens: 5, completion_tokens: 5, total_tokens: 10 })
  })

  test('a whole answer', async () => {
    const body = JSON.stringify(codec.encodeResponse(response, asked))
    const whole = await client(body, 'application/json').chat.completions.create({
      ...params,
      messages: [...params.messages],
      tools: [],
    })
    expect(whole).toMatchObject({
      id: 'r1',
      object: 'chat.completion',
      created: 7,
      model: 'm',
      choices: [
        {
          index: 0,
          finish_reason: 'tool_calls',
          message: {
            content: 'let me look',
            refusal: null,
            tool_calls: [{ id: 'a' }, { id: 'b', function: { arguments: '{}' } }],
          },
        },
      ],
      usage: { prompt_tokens: 5 },
    })
  })

  test('an error inside the stream is thrown', async () => {
    const encoder = codec.encodeStream(asked)
    const body = encoder.push(start) + encoder.push({ type: 'error', error: new RelayError('upstream_failed', 'gone') })
    const run = client(body, 'text/event-stream')
      .chat.completions.stream({ ...params, messages: [...params.messages], tools: [] })
      .finalChatCompletion()
    await expect(run).rejects.toThrow('gone')
  })
})
