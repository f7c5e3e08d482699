import { describe, expect, test } from 'vitest'
import { collect } from '../../model/collect.ts'
import type { JsonObject } from '../../model/request.ts'
import type { StreamEvent } from '../../model/response.ts'
import { openaiChat } from './index.ts'

const { codec } = openaiChat
const json = JSON.stringify

const chunk = (delta: JsonObject, more: JsonObject = {}): JsonObject => ({
  id: 'r1',
  object: 'chat.completion.chunk',
  created: 7,
  model: 'm',
  choices: [{ index: 0, delta, finish_reason: null, ...more }],
})
const end = (reason: string): JsonObject => chunk({}, { finish_reason: reason })
const done = '[DONE]'

function events(chunks: readonly (JsonObject | string)[], losses: string[] = []): StreamEvent[] {
  const decoder = codec.decodeStream({ origin: '7', loss: ({ field }) => losses.push(field) })
  const frames = chunks.map((entry) => ({ data: typeof entry === 'string' ? entry : json(entry) }))
  return [...frames.flatMap((frame) => decoder.push(frame)), ...decoder.end()]
}
const answer = (...chunks: (JsonObject | string)[]) => collect(events(chunks))
const call = (entry: JsonObject): JsonObject => chunk({ tool_calls: [entry] })

describe('decodeStream', () => {
  test('chat-1: usage in a chunk of its own, and Azure’s first chunk without a choice', () => {
    const azure = { id: '', object: '', created: 0, model: '', choices: [], prompt_filter_results: [{}] }
    const usage = { ...chunk({}), choices: [], usage: { prompt_tokens: 3, completion_tokens: 4 } }
    expect(
      answer(azure, chunk({ role: 'assistant', content: '' }), chunk({ content: 'a' }), end('stop'), usage, done),
    ).toMatchObject({
      id: 'r1',
      model: 'm',
      createdAt: 7,
      content: [{ type: 'text', text: 'a' }],
      finish: { reason: 'stop', raw: 'stop' },
      usage: { input: 3, output: 4 },
    })
  })

  test('chat-1: the finish reason in several chunks, usage in the last with choices', () => {
    const last = { ...end('stop'), usage: { prompt_tokens: 3, completion_tokens: 4 } }
    const list = events([chunk({ content: 'a' }), end('stop'), last, done])
    expect(list.filter((event) => event.type === 'finish')).toHaveLength(1)
    expect(collect(list).usage).toMatchObject({ input: 3, output: 4 })
  })

  test.each([
    ['[DONE] and a reason', [end('stop'), done], 'stop'],
    ['a reason without [DONE]', [end('length')], 'length'],
    ['[DONE] without a reason', [done], 'stop'],
  ])('an end: %s', (_what, ending, reason) => {
    expect(answer(chunk({ content: 'a' }), ...ending).finish.reason).toBe(reason)
  })

  test.each([
    ['cut', [chunk({ content: 'a' })]],
    ['cut within a call', [call({ index: 0, id: 'x', function: { name: 'f', arguments: '{"a' } })]],
    ['nothing but the role', [chunk({ role: 'assistant', content: '' }), done]],
    ['[DONE] alone', [done]],
    ['nothing', []],
    ['no JSON', [chunk({ content: 'a' }), '{"choices":[', end('stop'), done]],
    ['an error after text', [chunk({ content: 'a' }), { error: { message: 'x' } }, done]],
    ['OpenRouter’s finish', [chunk({ content: 'a' }), end('error'), done]],
  ])('all-3: %s is an error, not a normal stop', (_what, chunks) => {
    const list = events(chunks)
    expect(list.at(-1)).toMatchObject({ type: 'error', error: { kind: 'upstream_failed' } })
    expect(list.filter((event) => event.type === 'finish')).toEqual([])
    expect(list.filter((event) => event.type === 'error')).toHaveLength(1)
  })

  test('chat-2: the last chunk may carry text and the finish reason', () => {
    expect(answer(chunk({ content: 'a' }), chunk({ content: '!' }, { finish_reason: 'stop' }))).toMatchObject({
      content: [{ text: 'a!' }],
      finish: { reason: 'stop' },
    })
  })

  test('chat-2: a whole call in one delta, without index, with an empty id', () => {
    const made = answer(
      call({ id: '', function: { name: 'f', arguments: '{"a":1}' } }),
      call({ function: { name: 'g', arguments: {} } }),
      end('stop'),
    )
    const [first, second] = made.content
    expect(made.content).toMatchObject([
      { type: 'tool-call', name: 'f', arguments: '{"a":1}' },
      { type: 'tool-call', name: 'g', arguments: '{}' },
    ])
    if (first?.type !== 'tool-call' || second?.type !== 'tool-call') throw new Error('no calls')
    expect(first.id).toMatch(/^call_\w{24}$/)
    expect(second.id).not.toBe(first.id)
    expect(made.finish).toEqual({ reason: 'tool-calls', raw: 'stop' })
    const other = answer({ ...call({ function: { name: 'f', arguments: '{}' } }), id: 'r2' }, end('stop')).content[0]
    expect(other).not.toMatchObject({ id: first.id })
  })

  test('chat-2: deltas without an index go on with the last call', () => {
    const made = answer(
      call({ id: 'a', function: { name: 'f', arguments: '{"x"' } }),
      call({ function: { arguments: ':1}' } }),
      call({ id: 'b', function: { name: 'f', arguments: '{}' } }),
      end('tool_calls'),
    )
    expect(made.content).toMatchObject([
      { id: 'a', arguments: '{"x":1}' },
      { id: 'b', arguments: '{}' },
    ])
  })

  test('chat-2: id and name repeated with every delta are still one call', () => {
    const piece = (text: string): JsonObject =>
      call({ index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: text } })
    expect(answer(piece('{"x"'), piece(':1'), piece('}'), end('tool_calls')).content).toEqual([
      { type: 'tool-call', id: 'a', name: 'f', arguments: '{"x":1}' },
    ])
  })

  test('chat-2: an empty id and the name repeated under one index are still one call', () => {
    const piece = (text: string): JsonObject => call({ index: 0, id: '', function: { name: 'f', arguments: text } })
    expect(answer(piece('{"x"'), piece(':1}'), end('tool_calls')).content).toMatchObject([
      { name: 'f', arguments: '{"x":1}' },
    ])
  })

  test('chat-2: several whole calls under one index', () => {
    const piece = (id: string): JsonObject => call({ index: 0, id, function: { name: 'f', arguments: '{}' } })
    expect(answer(piece('a'), piece('b'), end('tool_calls')).content).toMatchObject([{ id: 'a' }, { id: 'b' }])
  })

  test('chat-2: the name may come after the first arguments', () => {
    const made = answer(
      call({ index: 0, id: 'a', function: { arguments: '{' } }),
      call({ index: 0, function: { name: 'f', arguments: '}' } }),
      end('tool_calls'),
    )
    expect(made.content).toEqual([{ type: 'tool-call', id: 'a', name: 'f', arguments: '{}' }])
  })

  test('chat-2: interleaved calls keep their own arguments, text beside calls stays', () => {
    const made = answer(
      chunk({ content: 'let me see' }),
      chunk({
        content: null,
        tool_calls: [
          { index: 0, id: 'a', function: { name: 'f', arguments: '' } },
          { index: 1, id: 'b', function: { name: 'g', arguments: '' } },
        ],
      }),
      call({ index: 1, function: { arguments: '{"b"' } }),
      call({ index: 0, function: { arguments: '{"a"' } }),
      call({ index: 1, function: { arguments: ':2}' } }),
      call({ index: 0, function: { arguments: ':1}' } }),
      end('tool_calls'),
    )
    expect(made.content).toEqual([
      { type: 'text', text: 'let me see' },
      { type: 'tool-call', id: 'a', name: 'f', arguments: '{"a":1}' },
      { type: 'tool-call', id: 'b', name: 'g', arguments: '{"b":2}' },
    ])
  })

  test('model-5: a custom call', () => {
    const made = answer(
      call({ index: 0, id: 'a', type: 'custom', custom: { name: 'patch', input: '*** ' } }),
      call({ index: 0, custom: { input: 'Begin' } }),
      end('tool_calls'),
    )
    expect(made.content).toEqual([{ type: 'tool-call', id: 'a', name: 'patch', arguments: '*** Begin', custom: true }])
  })

  test('the older function_call', () => {
    const made = answer(
      chunk({ function_call: { name: 'f', arguments: '' } }),
      chunk({ function_call: { arguments: '{}' } }),
      end('function_call'),
    )
    expect(made).toMatchObject({ content: [{ name: 'f', arguments: '{}' }], finish: { reason: 'tool-calls' } })
  })

  test.each([
    ['reasoning_content', { reasoning_content: 'ab' }, { reasoning_content: 'c' }],
    ['reasoning', { reasoning: 'ab', channel: 'analysis' }, { reasoning: 'c', channel: 'analysis' }],
  ])('chat-3: thoughts in %s remember where they stood and whose they are', (field, first, second) => {
    expect(answer(chunk(first), chunk(second), chunk({ content: 'x' }), end('stop')).content).toEqual([
      { type: 'reasoning', text: 'abc', opaque: { format: 'openai-chat', origin: '7', value: field } },
      { type: 'text', text: 'x' },
    ])
  })

  test('chat-3: details are told once, though `reasoning` repeats them, and their signature is kept', () => {
    const detail = (fields: JsonObject): JsonObject => ({
      type: 'reasoning.text',
      index: 0,
      format: 'anthropic-claude-v1',
      ...fields,
    })
    const made = answer(
      chunk({ reasoning: 'ab', reasoning_details: [detail({ text: 'ab', signature: null })] }),
      chunk({ reasoning: 'c', reasoning_details: [detail({ text: 'c' })] }),
      chunk({ reasoning_details: [detail({ signature: 's' }), { type: 'reasoning.encrypted', data: 'x' }] }),
      chunk({ content: 'x' }),
      end('stop'),
    )
    const [thought] = made.content
    expect(thought).toMatchObject({ type: 'reasoning', text: 'abc' })
    const value = thought?.type === 'reasoning' ? (thought.opaque?.value ?? '') : ''
    expect(JSON.parse(value)).toEqual([detail({ text: 3, signature: 's' }), { type: 'reasoning.encrypted', data: 'x' }])
  })

  test('chat-3: Mistral’s thoughts inside content', () => {
    const made = answer(
      chunk({ content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'hm' }] }] }),
      chunk({ content: [{ type: 'text', text: 'x' }] }),
      end('stop'),
    )
    expect(made.content).toMatchObject([
      { type: 'reasoning', text: 'hm' },
      { type: 'text', text: 'x' },
    ])
  })

  test('model-2: interleaved thoughts, text and calls keep their order', () => {
    const made = answer(
      chunk({ reasoning_content: '1' }),
      chunk({ content: '2' }),
      chunk({ reasoning_content: '3' }),
      call({ index: 0, id: 'a', function: { name: 'f', arguments: '{}' } }),
      chunk({ content: '4' }),
      end('tool_calls'),
    )
    expect(made.content.map((part) => part.type)).toEqual(['reasoning', 'text', 'reasoning', 'tool-call', 'text'])
  })

  test('model-4: Gemini’s signatures on calls and on text', () => {
    const signature = (value: string): JsonObject => ({ extra_content: { google: { thought_signature: value } } })
    const made = answer(
      call({ id: 'a', function: { name: 'f', arguments: '{}' }, ...signature('s1') }),
      call({ id: 'b', function: { name: 'g', arguments: '{}' } }),
      chunk(signature('s2')),
      end('stop'),
    )
    expect(made.content).toEqual([
      {
        type: 'tool-call',
        id: 'a',
        name: 'f',
        arguments: '{}',
        opaque: { format: 'openai-chat', value: 's1', origin: '7' },
      },
      { type: 'tool-call', id: 'b', name: 'g', arguments: '{}' },
      { type: 'text', text: '', opaque: { format: 'openai-chat', value: 's2', origin: '7' } },
    ])
  })

  test('model-4: a signed answer of thoughts alone', () => {
    const made = answer(
      chunk({ reasoning_content: 'hm' }),
      chunk({ extra_content: { vertex: { thought_signature: 's' } } }),
      end('stop'),
    )
    expect(made.content).toEqual([
      { type: 'reasoning', text: 'hm', opaque: { format: 'openai-chat', value: 'reasoning_content', origin: '7' } },
      { type: 'text', text: '', opaque: { format: 'openai-chat', value: 's', origin: '7' } },
    ])
  })

  test('all-4: zeros do not wipe out the usage that was told', () => {
    const counted = (prompt: number): JsonObject => ({
      ...chunk({ content: 'a' }),
      usage: { prompt_tokens: prompt, completion_tokens: 0 },
    })
    expect(answer(counted(5), counted(0), end('stop')).usage?.input).toBe(5)
  })

  test('chat-8: several choices, each with its own calls and finish', () => {
    const at = (index: number, delta: JsonObject, reason: string | null = null): JsonObject =>
      chunk(delta, { index, finish_reason: reason })
    const made = answer(
      at(1, { role: 'assistant', content: 'b' }),
      at(0, { role: 'assistant', content: 'a' }),
      at(1, { tool_calls: [{ index: 0, id: 'x', function: { name: 'f', arguments: '{}' } }] }),
      at(0, { content: 'A' }),
      at(0, {}, 'length'),
      at(1, {}, 'tool_calls'),
      done,
    )
    expect(made).toMatchObject({
      content: [{ text: 'aA' }],
      finish: { reason: 'length' },
      alternatives: [{ content: [{ text: 'b' }, { name: 'f' }], finish: { reason: 'tool-calls' } }],
    })
  })

  test('choices that are numbered from 1', () => {
    const made = answer(chunk({ content: 'a' }, { index: 1 }), chunk({}, { index: 1, finish_reason: 'stop' }))
    expect(made).toMatchObject({
      content: [],
      finish: { reason: 'stop' },
      alternatives: [{ content: [{ text: 'a' }] }],
    })
  })

  test('a choice with an absurd number is the first', () => {
    expect(
      answer(chunk({ content: 'a' }, { index: 1e9 }), chunk({}, { index: 1e9, finish_reason: 'stop' })),
    ).toMatchObject({ content: [{ text: 'a' }] })
  })

  test.each([
    ['stop', { content: 'x' }, 'stop'],
    ['length', { content: 'x' }, 'length'],
    ['content_filter', { content: 'x' }, 'content-filter'],
    ['sensitive', { content: 'x' }, 'content-filter'],
    ['insufficient_system_resource', { content: 'x' }, 'error'],
    ['something_new', { content: 'x' }, 'other'],
    ['stop', { refusal: 'no' }, 'refusal'],
    ['stop', { tool_calls: [{ index: 0, id: 'a', function: { name: 'f', arguments: '{}' } }] }, 'tool-calls'],
  ])('model-8: %s after %j is %s', (raw, delta, reason) => {
    expect(answer(chunk(delta), end(raw)).finish).toEqual({ reason, raw })
  })

  test('a refusal, logprobs, a stop sequence, citations and pictures', () => {
    const logprobs = (token: string): JsonObject => ({ content: [{ token, logprob: -1 }], refusal: null })
    const made = answer(
      chunk({
        content: '',
        annotations: [
          { type: 'url_citation', url_citation: { url: 'https://x', title: 't', start_index: 1, end_index: 2 } },
        ],
      }),
      chunk({ content: 'a' }, { logprobs: logprobs('a') }),
      chunk({ content: 'b' }, { logprobs: logprobs('b') }),
      chunk({ images: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AA' } }] }),
      chunk({ refusal: 'no' }),
      chunk({}, { finish_reason: 'stop', stop_reason: 'END' }),
    )
    expect(made).toMatchObject({
      content: [
        { type: 'text', text: 'ab', citations: [{ url: 'https://x', title: 't', start: 1, end: 2 }] },
        { type: 'media', mediaType: 'image/png', source: { kind: 'base64', data: 'AA' } },
        { type: 'text', text: 'no', refusal: true },
      ],
      finish: { reason: 'refusal', stopSequence: 'END' },
      logprobs: { content: [{ token: 'a' }, { token: 'b' }] },
    })
  })

  test('streamed speech is carried as its transcript, and said to be', () => {
    const losses: string[] = []
    const made = collect(
      events([chunk({ audio: { id: 'a', transcript: 'hi' } }), chunk({ audio: { data: 'AA' } }), end('stop')], losses),
    )
    expect(made.content).toEqual([{ type: 'text', text: 'hi' }])
    expect(losses).toEqual(['audio'])
  })

  test('the service tier comes with the usage', () => {
    const usage = { ...chunk({}), choices: [], usage: { prompt_tokens: 1, completion_tokens: 1 }, service_tier: 'flex' }
    expect(answer(chunk({ content: 'a' }), end('stop'), usage).serviceTier).toBe('flex')
  })

  test('a 2 MB call in small pieces costs no more than its length', () => {
    const piece = 'x'.repeat(64)
    const list = [call({ index: 0, id: 'a', function: { name: 'f', arguments: '{"t":"' } })]
    for (let at = 0; at < 32_768; at++) list.push(call({ index: 0, function: { arguments: piece } }))
    const made = answer(...list, call({ index: 0, function: { arguments: '"}' } }), end('tool_calls'))
    const [only] = made.content
    expect(only?.type === 'tool-call' ? only.arguments.length : 0).toBe(64 * 32_768 + 8)
  })
})
