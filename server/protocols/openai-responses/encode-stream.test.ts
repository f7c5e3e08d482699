import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RelayError } from '../../errors.ts'
import { collect, replay } from '../../model/collect.ts'
import type { AssistantPart, ChatRequest, JsonObject, Tool } from '../../model/request.ts'
import type { ChatResponse, StreamEvent } from '../../model/response.ts'
import { asArray, asObject, asString } from '../narrow.ts'
import { codec } from './codec.ts'
import { bytesOf, decodeAll, eventsOf, frames, recorded } from './recorded.ts'

const grammar = { type: 'grammar', syntax: 'lark', definition: 'start: "a"' }
const tools: readonly Tool[] = [
  { type: 'custom', name: 'apply_patch', grammar },
  {
    type: 'function',
    name: 'agents__spawn',
    parameters: {},
    native: { format: 'openai-responses', fields: { namespace: 'agents', name: 'spawn' } },
  },
  {
    type: 'function',
    name: 'tool_search',
    parameters: {},
    native: { format: 'openai-responses', fields: { type: 'tool_search' } },
  },
]
const request: ChatRequest = { model: 'm', stream: true, messages: [], tools, sampling: {} }

function encode(events: readonly StreamEvent[]): string {
  const encoder = codec.encodeStream(request)
  const text = events.map((event) => encoder.push(event)).join('')
  return events.at(-1)?.type === 'error' ? text : text + encoder.end()
}

const answer = (...content: AssistantPart[]): ChatResponse => ({
  id: 'chatcmpl-1',
  model: 'up',
  createdAt: 7,
  content,
  finish: { reason: content.some((part) => part.type === 'tool-call') ? 'tool-calls' : 'stop' },
  usage: { input: 1, cacheRead: 2, cacheWrite5m: 0, cacheWrite1h: 0, output: 3 },
})

const outputOf = (response: ChatResponse): readonly JsonObject[] =>
  (asArray(codec.encodeResponse(response, request).output) ?? []).map((item) => asObject(item) ?? {})

/** What every Responses stream owes its readers. Gives the final response. */
function check(text: string): JsonObject {
  const events = eventsOf(text)
  const names = [...text.matchAll(/^event: (.*)$/gm)].map((match) => match[1])
  expect(names).toEqual(events.map((event) => event.type))
  expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => index))
  expect(names.slice(0, 2)).toEqual(['response.created', 'response.in_progress'])
  const deltas = new Map<string, string>()
  const known = new Set<unknown>()
  const finished: unknown[] = []
  for (const event of events) {
    const type = asString(event.type) ?? ''
    const item = asObject(event.item)
    const place = JSON.stringify([event.output_index, event.content_index, event.summary_index])
    if (type === 'response.output_item.added') {
      expect(event.output_index).toBe(known.size)
      expect(known.has(item?.id)).toBe(false)
      known.add(item?.id)
    } else if (event.item_id !== undefined) expect(known.has(event.item_id)).toBe(true)
    if (type.endsWith('.delta')) deltas.set(place, (deltas.get(place) ?? '') + (asString(event.delta) ?? ''))
    const full = asString(event.text) ?? asString(event.arguments) ?? asString(event.input) ?? asString(event.refusal)
    if (/(text|refusal|arguments|input)\.done$/.test(type)) expect(deltas.get(place) ?? '').toBe(full)
    if (type === 'response.output_item.done') finished.push(item)
  }
  const last = asObject(events.at(-1)?.response) ?? {}
  expect(last.output).toEqual(finished)
  return last
}

const comparable = (content: readonly AssistantPart[]): unknown =>
  JSON.parse(JSON.stringify(content, (key, value: unknown) => (key === 'id' ? undefined : value)))

describe('recorded streams, told again', () => {
  it.each(recorded('.sse.txt'))('%s', (name) => {
    const events = decodeAll(frames(bytesOf(name), () => 1000))
    const text = encode(events)
    expect(check(text).status).toBe('completed')
    const again = collect(decodeAll(frames(Buffer.from(text), () => 17)))
    const first = collect(events)
    expect(comparable(again.content)).toEqual(comparable(first.content))
    expect(again.finish.reason).toBe(first.finish.reason)
    expect({ ...again.usage, raw: 0 }).toEqual({ reasoning: 0, ...first.usage, raw: 0 })
  })
})

describe('rules', () => {
  it('responses-1: item ids have their prefixes and are unique, also across turns', () => {
    const parts: AssistantPart[] = [
      { type: 'reasoning', text: 'hm' },
      { type: 'text', text: 'a' },
      { type: 'tool-call', id: 'x', name: 'f', arguments: '{}' },
      { type: 'tool-call', id: 'y', name: 'apply_patch', arguments: '{"input":"p"}' },
      { type: 'tool-call', id: 'z', name: 'tool_search', arguments: '{}' },
      { type: 'media', mediaType: 'image/png', source: { kind: 'base64', data: 'AAAA' } },
    ]
    const ids = outputOf(answer(...parts)).map((item) => asString(item.id) ?? '')
    expect(ids.map((id) => id.split('_')[0])).toEqual(['rs', 'msg', 'fc', 'ctc', 'tsc', 'ig'])
    const others = outputOf({ ...answer(...parts), id: `msg_${'9'.repeat(90)}` }).map((item) => asString(item.id) ?? '')
    expect(new Set([...ids, ...others]).size).toBe(12)
    expect(others.every((id) => id.length <= 64)).toBe(true)
  })

  it('responses-5: every event in its order, with its number and its type', () => {
    const text = encode(
      replay(
        answer({ type: 'reasoning', text: 'hm' }, { type: 'text', text: 'Hi', citations: [{ url: 'https://a' }] }),
      ),
    )
    expect(eventsOf(text).map((event) => event.type)).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.reasoning_summary_part.added',
      'response.reasoning_summary_text.delta',
      'response.reasoning_summary_text.done',
      'response.reasoning_summary_part.done',
      'response.output_item.done',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.annotation.added',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ])
    expect(check(text)).toMatchObject({
      id: 'resp_chatcmpl1',
      object: 'response',
      created_at: 7,
      model: 'up',
      status: 'completed',
      usage: { input_tokens: 3, input_tokens_details: { cached_tokens: 2 }, output_tokens: 3, total_tokens: 6 },
    })
  })

  it('responses-5: completed comes without usage too, and has counts all the same', () => {
    const events = replay(answer({ type: 'text', text: 'Hi' })).filter((event) => event.type !== 'usage')
    expect(check(encode(events))).toMatchObject({
      status: 'completed',
      usage: { input_tokens: 0, output_tokens: 0, total_tokens: 0 },
    })
  })

  it.each([
    ['length', 'response.incomplete', { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } }],
    ['content-filter', 'response.incomplete', { incomplete_details: { reason: 'content_filter' } }],
    ['stop', 'response.completed', { status: 'completed', incomplete_details: null }],
    ['tool-calls', 'response.completed', { status: 'completed' }],
    ['other', 'response.completed', { status: 'completed' }],
    ['error', 'response.failed', { status: 'failed', error: { code: 'upstream_failed' } }],
  ] as const)('responses-6: finish %s is %s', (reason, type, response) => {
    const events = eventsOf(encode(replay({ ...answer({ type: 'text', text: 'Hi' }), finish: { reason } })))
    expect(events.at(-1)).toMatchObject({ type, response })
    expect(events.at(-1)?.response).toMatchObject({ output: [{ content: [{ text: 'Hi' }] }] })
  })

  it('responses-6: a failure ends with the error event and response.failed, in the same count', () => {
    const error = new RelayError('rate_limited', 'slow down')
    const events = replay(answer({ type: 'text', text: 'Hi' })).slice(0, 3)
    const told = eventsOf(encode([...events, { type: 'error', error }]))
    expect(told.map((event) => event.sequence_number)).toEqual(told.map((_, index) => index))
    expect(told.slice(-2)).toMatchObject([
      { type: 'error', error: { code: 'rate_limit_exceeded', message: 'slow down' } },
      {
        type: 'response.failed',
        response: { id: 'resp_chatcmpl1', status: 'failed', error: { message: 'slow down' } },
      },
    ])
  })

  it('a stream that was never finished still ends', () => {
    const encoder = codec.encodeStream(request)
    encoder.push({ type: 'start', id: 'a', model: 'm', createdAt: 1 })
    expect(eventsOf(encoder.end()).at(-1)).toMatchObject({ type: 'response.failed' })
    expect(encoder.end()).toBe('')
  })

  it('responses-7: a call of a custom tool is unwrapped, in a stream cut anywhere', () => {
    const patch = '*** Begin Patch\n+ "é" \u{1f419} \\ done'
    const args = JSON.stringify({ input: patch })
    for (const size of [1, 2, 3, 7, args.length]) {
      const pieces = args.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? []
      const text = encode([
        { type: 'start', id: 'a', model: 'm', createdAt: 1 },
        { type: 'block-start', index: 0, block: { type: 'tool-call', id: 'c', name: 'apply_patch' } },
        ...pieces.map((piece) => ({ type: 'block-delta', index: 0, text: piece }) as const),
        { type: 'block-end', index: 0 },
        { type: 'finish', finish: { reason: 'tool-calls' } },
      ])
      expect(check(text).output).toMatchObject([
        { type: 'custom_tool_call', call_id: 'c', name: 'apply_patch', input: patch },
      ])
    }
  })

  it('responses-9: calls go back into their namespace, and a search to Codex as such', () => {
    const response = answer(
      { type: 'tool-call', id: 'a', name: 'agents__spawn', arguments: '{"x":1}' },
      { type: 'tool-call', id: 'b', name: 'tool_search', arguments: '{"query":"q"}' },
      { type: 'tool-call', id: '', name: 'f', arguments: '' },
    )
    expect(outputOf(response)).toMatchObject([
      { type: 'function_call', call_id: 'a', namespace: 'agents', name: 'spawn', arguments: '{"x":1}' },
      { type: 'tool_search_call', call_id: 'b', execution: 'client', arguments: { query: 'q' } },
      { type: 'function_call', call_id: 'call_chatcmpl1_2', name: 'f', arguments: '{}' },
    ])
    check(encode(replay(response)))
  })

  it('model-4: what other formats signed comes back through a client', () => {
    const claude = { format: 'anthropic', value: 'sig+/=', origin: 'channel 1' } as const
    const gemini = { format: 'gemini', value: 'zig', origin: 'channel 2' } as const
    const parts: AssistantPart[] = [
      { type: 'reasoning', text: 'hm', opaque: claude },
      { type: 'reasoning', text: '', redacted: true, opaque: claude },
      { type: 'text', text: 'Hi', opaque: gemini },
      { type: 'text', text: '', opaque: gemini },
      { type: 'tool-call', id: 'a', name: 'f', arguments: '{}', opaque: gemini },
      { type: 'tool-call', id: 'b', name: 'f', arguments: '{}' },
    ]
    const input = [{ role: 'user', content: 'x' }, ...outputOf(answer(...parts))]
    const decoded = codec.decodeRequest(
      { headers: {}, body: { model: 'm', input }, route: { operation: 'generate' } },
      () => undefined,
    )
    expect(decoded.messages[1]?.content.map((part) => (part.type === 'reasoning' ? { ...part, id: 0 } : part))).toEqual(
      parts.map((part) => (part.type === 'reasoning' ? { ...part, id: 0 } : part)),
    )
  })

  it('a refusal without words is told in words', () => {
    expect(outputOf({ ...answer(), finish: { reason: 'refusal' } })).toMatchObject([
      { type: 'message', content: [{ type: 'refusal', refusal: 'The model refused to answer.' }] },
    ])
  })

  it.each([
    ['text', { type: 'text', text: 'First you' }],
    ['a call', { type: 'tool-call', id: 'a', name: 'f', arguments: '{}' }],
  ] as const)('a refusal that stops %s does not read as a normal end', (_, part) => {
    const refused: ChatResponse = { ...answer(part), finish: { reason: 'refusal' } }
    const fields = { status: 'incomplete', incomplete_details: { reason: 'content_filter' } }
    expect(codec.encodeResponse(refused, request)).toMatchObject(fields)
    expect(check(encode(replay(refused)))).toMatchObject(fields)
  })

  it('a refusal after thoughts alone is told in words', () => {
    const refused: ChatResponse = { ...answer({ type: 'reasoning', text: 'Hm' }), finish: { reason: 'refusal' } }
    expect(outputOf(refused)).toMatchObject([{ type: 'reasoning' }, { content: [{ type: 'refusal' }] }])
    expect(check(encode(replay(refused)))).toMatchObject({ status: 'completed' })
  })

  it('only the first of several answers is told', () => {
    const first = answer({ type: 'text', text: 'one' })
    const alternatives = [{ content: [{ type: 'text', text: 'two' } as const], finish: { reason: 'stop' } as const }]
    expect(outputOf({ ...first, alternatives })).toEqual(outputOf(first))
  })

  it('carries logprobs', () => {
    const logprobs = { content: [{ token: 'Hi', logprob: -0.1, top_logprobs: [] }] }
    const text = encode(replay({ ...answer({ type: 'text', text: 'Hi' }), logprobs }))
    expect(check(text).output).toMatchObject([{ content: [{ logprobs: logprobs.content }] }])
    expect(collect(decodeAll(frames(Buffer.from(text), () => 50))).logprobs).toEqual(logprobs)
  })
})

describe('properties', () => {
  const word = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
  const args = fc.dictionary(word, fc.oneof(word, fc.integer(), fc.boolean())).map((value) => JSON.stringify(value))
  const part: fc.Arbitrary<AssistantPart> = fc.oneof(
    word.map((text) => ({ type: 'text' as const, text })),
    word.map((text) => ({ type: 'text' as const, text, refusal: true })),
    word.map((text) => ({ type: 'reasoning' as const, text })),
    fc.record({ type: fc.constant('tool-call' as const), id: fc.uuid(), name: fc.constant('f'), arguments: args }),
    fc.record({
      type: fc.constant('tool-call' as const),
      id: fc.uuid(),
      name: fc.constant('apply_patch'),
      arguments: word,
      custom: fc.constant(true),
    }),
    word.map((text) => ({
      type: 'reasoning' as const,
      text,
      opaque: { format: 'openai-responses' as const, value: 'AA==' },
    })),
  )

  it('a reply is the same after a trip over the wire, cut anywhere', () => {
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), fc.integer({ min: 1, max: 60 }), (content, size) => {
        const response = answer(...content)
        const text = encode(replay(response))
        check(text)
        const again = collect(decodeAll(frames(Buffer.from(text), () => size)))
        expect(comparable(again.content)).toEqual(comparable(content))
        expect(
          comparable(codec.decodeResponse(codec.encodeResponse(response, request), { loss: () => undefined }).content),
        ).toEqual(comparable(content))
      }),
      { numRuns: 150 },
    )
  })

  it('no request and no stream does more than throw a RelayError', () => {
    const json = fc.jsonValue({ maxDepth: 4 })
    const fields = ['input', 'tools', 'tool_choice', 'text', 'reasoning', 'instructions', 'include', 'metadata']
    const types = ['message', 'reasoning', 'function_call', 'function_call_output', 'tool_search_output', 'namespace']
    const tree = fc.letrec<{ node: unknown }>((tie) => ({
      node: fc.oneof(
        { maxDepth: 4 },
        json,
        fc.array(tie('node'), { maxLength: 3 }),
        fc.dictionary(
          fc.constantFrom('type', 'role', 'content', 'output', 'tools', 'name', 'call_id', 'summary', 'arguments'),
          fc.oneof(tie('node'), fc.constantFrom(...types, 'user', 'assistant')),
        ),
      ),
    })).node
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...fields), tree), tree, (body, event) => {
        try {
          const wire = asObject(JSON.parse(JSON.stringify({ model: 'm', ...body }))) ?? {}
          const decoded = codec.decodeRequest(
            { headers: {}, body: wire, route: { operation: 'generate' } },
            () => undefined,
          )
          codec.encodeRequest(decoded, { loss: () => undefined })
        } catch (error) {
          expect(error).toBeInstanceOf(RelayError)
        }
        const names = [
          'response.output_item.done',
          'response.output_item.added',
          'response.completed',
          'response.failed',
        ]
        const data = names.map((type) => ({
          data: JSON.stringify({ type, item: event, response: { output: [event] } }),
        }))
        const last = decodeAll(data).at(-1)
        expect(['finish', 'error']).toContain(last?.type)
      }),
      { numRuns: 500 },
    )
  })
})

describe('a call of two megabytes', () => {
  const piece = 'line \\"of\\" text\\n'
  const count = 125_000
  const long = `{"input":"${piece.repeat(count)}"}`
  const events = (name: string): StreamEvent[] => [
    { type: 'start', id: 'a', model: 'm', createdAt: 1 },
    { type: 'block-start', index: 0, block: { type: 'tool-call', id: 'c', name } },
    { type: 'block-delta', index: 0, text: '{"input":"' },
    ...Array.from({ length: count }, () => ({ type: 'block-delta', index: 0, text: piece }) as const),
    { type: 'block-delta', index: 0, text: '"}' },
    { type: 'block-end', index: 0 },
    { type: 'finish', finish: { reason: 'tool-calls' } },
  ]

  it('streams to the client and is whole at the end, as a function and unwrapped', () => {
    expect(long.length).toBeGreaterThan(2_000_000)
    const told = encode(events('f'))
    const last = asObject(eventsOf(told).at(-1)?.response)
    expect(last?.output).toMatchObject([{ type: 'function_call', arguments: long }])
    // each delta once, and the whole three times: in arguments.done, in the item, in the response
    expect(told.length).toBeLessThan(long.length * 5 + count * 200)
    const custom = eventsOf(encode(events('apply_patch'))).at(-1)
    expect(asObject(custom?.response)?.output).toMatchObject([
      { type: 'custom_tool_call', input: 'line "of" text\n'.repeat(count) },
    ])
  })

  it('is read from an upstream', () => {
    const bytes = Buffer.from(encode(events('f')))
    expect(collect(decodeAll(frames(bytes, () => 65_536))).content).toEqual([
      { type: 'tool-call', id: 'c', name: 'f', arguments: long },
    ])
  })
})
