import { describe, expect, test } from 'vitest'
import type { ChatRequest, JsonObject } from '../../model/request.ts'
import type { ChatResponse } from '../../model/response.ts'
import { asArray, asObject } from '../narrow.ts'
import { openaiChat } from './index.ts'

const { codec } = openaiChat
const asked: ChatRequest = { model: 'm', stream: false, messages: [], tools: [], sampling: {} }
const loss = (): void => undefined
const decode = (...choices: JsonObject[]): ChatResponse =>
  codec.decodeResponse({ id: 'r1', model: 'm', created: 7, choices }, { loss, origin: '7' })
const message = (fields: JsonObject, finish = 'stop'): JsonObject => ({
  index: 0,
  message: fields,
  finish_reason: finish,
})

describe('decodeResponse', () => {
  test('chat-2: content beside calls may be null, empty or text', () => {
    const calls = [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }]
    const types = (content: string | null): string[] =>
      decode(message({ content, tool_calls: calls }, 'tool_calls')).content.map((part) => part.type)
    expect(types(null)).toEqual(['tool-call'])
    expect(types('')).toEqual(['tool-call'])
    expect(types('x')).toEqual(['text', 'tool-call'])
  })

  test('chat-2: an empty id gets one, the same for the same answer', () => {
    const body = message({
      tool_calls: [{ id: '', function: { name: 'f', arguments: { a: 1 } } }, { function: { name: 'g' } }],
    })
    const [first, second] = decode(body).content
    expect(first).toMatchObject({ name: 'f', arguments: '{"a":1}' })
    if (first?.type !== 'tool-call' || second?.type !== 'tool-call') throw new Error('no calls')
    expect(first.id).toMatch(/^call_\w{24}$/)
    expect(second.id).not.toBe(first.id)
    expect(decode(body).content[0]).toEqual(first)
  })

  test('an answer split into two entries of one index is one answer', () => {
    const call = { id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }
    const made = decode(message({ content: 'x' }, 'tool_calls'), message({ tool_calls: [call] }, 'tool_calls'))
    expect(made.content.map((part) => part.type)).toEqual(['text', 'tool-call'])
    expect(made).not.toHaveProperty('alternatives')
  })

  test('chat-8: choices in the order of their index', () => {
    const made = decode({ index: 1, message: { content: 'b' }, finish_reason: 'length' }, message({ content: 'a' }))
    expect(made).toMatchObject({
      content: [{ text: 'a' }],
      finish: { reason: 'stop' },
      alternatives: [{ content: [{ text: 'b' }], finish: { reason: 'length' } }],
    })
  })

  test('a refusal without a finish reason, logprobs, speech', () => {
    const made = decode({ message: { content: null, refusal: 'no', audio: { data: 'AA' } }, logprobs: { refusal: [] } })
    expect(made).toMatchObject({
      content: [
        { type: 'text', text: 'no', refusal: true },
        { type: 'media', mediaType: 'audio/wav' },
      ],
      finish: { reason: 'refusal' },
      logprobs: { refusal: [] },
    })
  })

  test.each([
    [{}, 'upstream_failed'],
    [{ choices: [] }, 'upstream_failed'],
    [{ choices: 'x' }, 'upstream_failed'],
    [{ error: { message: 'x', code: 429 } }, 'rate_limited'],
  ])('%j is refused as %s', (body, kind) => {
    expect(() => codec.decodeResponse(body, { loss })).toThrow(expect.objectContaining({ kind }))
  })
})

describe('encodeResponse', () => {
  const encode = (content: ChatResponse['content'], request: Partial<ChatRequest> = {}): JsonObject => {
    const finish = { reason: content.some((part) => part.type === 'tool-call') ? 'tool-calls' : 'stop' } as const
    const body = codec.encodeResponse({ id: 'r', model: 'm', createdAt: 1, content, finish }, { ...asked, ...request })
    return asObject(asArray(body.choices)?.[0]) ?? {}
  }

  test('text alone', () => {
    expect(encode([{ type: 'text', text: 'a' }])).toEqual({
      index: 0,
      message: { role: 'assistant', content: 'a', refusal: null },
      logprobs: null,
      finish_reason: 'stop',
    })
  })

  test('model-2: several texts are one, their citations point into it', () => {
    const choice = encode([
      { type: 'text', text: 'one ' },
      { type: 'text', text: 'two', citations: [{ url: 'https://x', start: 0, end: 3, quoted: 'q' }] },
    ])
    expect(choice.message).toMatchObject({
      content: 'one two',
      annotations: [
        {
          type: 'url_citation',
          url_citation: { url: 'https://x', title: '', content: 'q', start_index: 4, end_index: 7 },
        },
      ],
    })
  })

  test('a refusal', () => {
    expect(encode([{ type: 'text', text: 'no', refusal: true }]).message).toEqual({
      role: 'assistant',
      content: null,
      refusal: 'no',
    })
  })

  test('model-5: a wrapped free-form call is unwrapped for the client that declared it', () => {
    const call = { type: 'tool-call', id: 'a', name: 'patch', arguments: '{"input":"x\\n"}' } as const
    const tools: ChatRequest['tools'] = [{ type: 'custom', name: 'patch' }]
    expect(encode([call], { tools }).message).toMatchObject({
      content: null,
      tool_calls: [{ id: 'a', type: 'custom', custom: { name: 'patch', input: 'x\n' } }],
    })
    expect(encode([call]).message).toMatchObject({ tool_calls: [{ type: 'function' }] })
  })

  test('a client of the older functions reads function_call', () => {
    const call = { type: 'tool-call', id: 'a', name: 'f', arguments: '' } as const
    const choice = encode([call, { ...call, id: 'b' }], { legacyFunctions: true })
    expect(choice).toMatchObject({
      message: { function_call: { name: 'f', arguments: '{}' } },
      finish_reason: 'function_call',
    })
    expect(choice.message).not.toHaveProperty('tool_calls')
  })

  test('a picture and a signed empty text', () => {
    const choice = encode([
      { type: 'media', mediaType: 'image/png', source: { kind: 'base64', data: 'AA' } },
      { type: 'text', text: '', opaque: { format: 'openai-chat', value: 's' } },
    ])
    expect(choice.message).toMatchObject({
      content: '',
      images: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AA' } }],
      extra_content: { google: { thought_signature: 's' } },
    })
  })
})
