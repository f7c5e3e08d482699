import { describe, expect, test } from 'vitest'
import { collect, replay } from '../../model/collect.ts'
import type { AssistantPart, JsonObject } from '../../model/request.ts'
import type { ChatResponse } from '../../model/response.ts'
import { asObject, asString } from '../narrow.ts'
import { unwrapOpaque } from '../signature.ts'
import { codec } from './codec.ts'
import { bodies, context, decode, encode, encodeWhole, framesOf, request } from './testing/streams.ts'
import { decode as decodeRequest } from './testing/requests.ts'

const data = (event: object) => `data: ${JSON.stringify(event)}\n\n`
const START = data({
  type: 'message_start',
  message: { id: 'msg_1', model: 'c', content: [], usage: { input_tokens: 3 } },
})
const END =
  data({ type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 5 } }) +
  data({ type: 'message_stop' })
const block = (index: number, content: object) => data({ type: 'content_block_start', index, content_block: content })
const delta = (index: number, change: object) => data({ type: 'content_block_delta', index, delta: change })
const sealed = { format: 'gemini', value: 'AQ==', origin: '3' } as const
const stop = (index: number) => data({ type: 'content_block_stop', index })

describe('streams are read', () => {
  test('anthropic-5: a call without arguments has no delta and input {}', () => {
    const call = { type: 'tool_use', id: 'toolu_1', name: 'now', input: {} }
    const empty = delta(0, { type: 'input_json_delta', partial_json: '' })
    for (const deltas of ['', empty])
      expect(collect(decode(START + block(0, call) + deltas + stop(0) + END)).content).toEqual([
        { type: 'tool-call', id: 'toolu_1', name: 'now', arguments: '{}' },
      ])
  })

  test('anthropic-5: input may be in content_block_start already; deltas count where they come', () => {
    const call = { type: 'tool_use', id: 'toolu_1', name: 'now', input: { a: 1 } }
    const text = (rest: string) => collect(decode(START + block(0, call) + rest + stop(0) + END)).content
    expect(text('')).toMatchObject([{ arguments: '{"a":1}' }])
    expect(text(delta(0, { type: 'input_json_delta', partial_json: '{"b":2}' }))).toMatchObject([
      { arguments: '{"b":2}' },
    ])
  })

  test('anthropic-5: message_start may hold content', () => {
    const content = [{ type: 'tool_use', id: 'toolu_1', name: 'roll', input: { n: 2 }, caller: { type: 'direct' } }]
    const start = data({ type: 'message_start', message: { id: 'msg_1', model: 'c', content, usage: {} } })
    expect(collect(decode(start + block(0, { type: 'text', text: 'x' }) + stop(0) + END)).content).toEqual([
      { type: 'tool-call', id: 'toolu_1', name: 'roll', arguments: '{"n":2}' },
      { type: 'text', text: 'x' },
    ])
  })

  test('anthropic-6: ping anywhere, padding, unknown events, a foreign end mark', () => {
    const ping = 'event: ping\ndata: {"type": "ping"}\n\n'
    const text =
      ping +
      START +
      ping +
      block(0, { type: 'text', text: '' }) +
      ping +
      'data: {"type":"brand_new"}\n\n' +
      'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"é\\n"}   }  \n\n' +
      stop(0) +
      ping +
      END +
      'data: [DONE]\n\n'
    expect(collect(decode(text)).content).toEqual([{ type: 'text', text: 'é\n' }])
  })

  test('anthropic-7: a refusal may have no content', () => {
    const end = data({ type: 'message_delta', delta: { stop_reason: 'refusal' }, usage: {} })
    const answer = collect(decode(START + end + data({ type: 'message_stop' })))
    expect(answer).toMatchObject({ content: [], finish: { reason: 'refusal', raw: 'refusal' } })
    expect(encodeWhole(answer)).toMatchObject({ content: [], stop_reason: 'refusal' })
  })

  test('anthropic-7: server tools are no client calls, pause_turn is no end', () => {
    const losses: string[] = []
    const decoder = codec.decodeStream({ loss: ({ field }) => losses.push(field) })
    const text =
      START +
      block(0, { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: {} }) +
      delta(0, { type: 'input_json_delta', partial_json: '{"q":1}' }) +
      stop(0) +
      data({ type: 'message_delta', delta: { stop_reason: 'pause_turn' }, usage: {} }) +
      data({ type: 'message_stop' })
    const events = framesOf([Buffer.from(text)]).flatMap((frame) => decoder.push(frame))
    expect(collect(events)).toMatchObject({ content: [], finish: { reason: 'other', raw: 'pause_turn' } })
    expect(losses).toEqual(['content[] (server_tool_use)'])
  })

  test('signatures come stamped with their channel', () => {
    const text =
      START +
      block(0, { type: 'thinking', thinking: '', signature: '' }) +
      delta(0, { type: 'thinking_delta', thinking: 'hm' }) +
      delta(0, { type: 'signature_delta', signature: 'Eq' }) +
      stop(0) +
      block(1, { type: 'redacted_thinking', data: 'Em' }) +
      stop(1) +
      END
    expect(collect(decode(text)).content).toEqual([
      { type: 'reasoning', text: 'hm', opaque: { format: 'anthropic', value: 'Eq', origin: '7' } },
      { type: 'reasoning', text: '', redacted: true, opaque: { format: 'anthropic', value: 'Em', origin: '7' } },
    ])
  })

  test('a call of a tool whose name had to be changed has the client’s name', () => {
    const sent = codec.encodeRequest(
      { ...request, messages: [], tools: [{ type: 'function', name: 'fs.read', parameters: {} }] },
      context,
    )
    const [tool] = sent.tools as readonly JsonObject[]
    expect(tool?.name).toMatch(/^[a-zA-Z0-9_-]{1,128}$/)
    const body = {
      content: [{ type: 'tool_use', id: 't', name: tool?.name ?? '', input: {} }],
      stop_reason: 'tool_use',
    }
    const tools = [{ type: 'function', name: 'fs.read', parameters: {} }] as const
    expect(codec.decodeResponse(body, { ...context, request: { ...request, tools } }).content).toMatchObject([
      { name: 'fs.read' },
    ])
  })

  test('an event that is no JSON is an error, a second stop changes nothing', () => {
    expect(decode(START + 'data: {"broken\n\n').at(-1)).toMatchObject({ type: 'error' })
    expect(collect(decode(START + block(0, { type: 'text', text: 'x' }) + END + END)).content).toHaveLength(1)
  })

  test('a call of two megabytes in small pieces', () => {
    const args = JSON.stringify({ text: 'line\n'.repeat(350_000) })
    const pieces = Array.from({ length: Math.ceil(args.length / 40) }, (_, at) => args.slice(at * 40, at * 40 + 40))
    const deltas = pieces.map((piece) => delta(0, { type: 'input_json_delta', partial_json: piece })).join('')
    const call = { type: 'tool_use', id: 't', name: 'write', input: {} }
    const events = decode(START + block(0, call) + deltas + stop(0) + END)
    expect(collect(events).content).toMatchObject([{ arguments: args }])
    expect(collect(decode(encode(events))).content).toMatchObject([{ arguments: args }])
  })
})

describe('streams are written', () => {
  const answer = (content: readonly AssistantPart[], finish: ChatResponse['finish'] = { reason: 'stop' }) =>
    ({ id: 'chatcmpl-1', model: 'gpt', createdAt: 0, content, finish }) satisfies ChatResponse

  test('anthropic-10: event lines, usage at the start, every block closed, message_stop at the end', () => {
    const usage = { input: 10, cacheRead: 4, cacheWrite5m: 2, cacheWrite1h: 1, output: 9, reasoning: 3 }
    const told = bodies(
      encode(
        replay({
          ...answer([
            { type: 'reasoning', text: 'hm' },
            { type: 'text', text: 'Hi "you"\n' },
            { type: 'tool-call', id: 'call_1', name: 'run', arguments: '{"a":1}' },
          ]),
          finish: { reason: 'tool-calls' },
          usage,
        }),
      ),
    )
    expect(told.map(({ type }) => type)).toEqual([
      'message_start',
      ...['content_block_start', 'content_block_delta', 'content_block_delta', 'content_block_stop'],
      ...[2, 3].flatMap(() => ['content_block_start', 'content_block_delta', 'content_block_stop']),
      'message_delta',
      'message_stop',
    ])
    expect(told[0]).toMatchObject({
      message: { id: 'msg_chatcmpl-1', role: 'assistant', content: [], usage: { input_tokens: 0, output_tokens: 0 } },
    })
    expect(told[6]).toMatchObject({ index: 1, delta: { type: 'text_delta', text: 'Hi "you"\n' } })
    expect(told[8]).toMatchObject({
      index: 2,
      content_block: { type: 'tool_use', id: 'call_1', name: 'run', input: {} },
    })
    expect(told[11]).toEqual({
      type: 'message_delta',
      delta: { stop_reason: 'tool_use', stop_sequence: null },
      usage: {
        input_tokens: 10,
        cache_creation_input_tokens: 3,
        cache_read_input_tokens: 4,
        cache_creation: { ephemeral_5m_input_tokens: 2, ephemeral_1h_input_tokens: 1 },
        output_tokens: 9,
        output_tokens_details: { thinking_tokens: 3 },
      },
    })
  })

  test.each<[ChatResponse['finish'], boolean, string]>([
    [{ reason: 'stop' }, false, 'end_turn'],
    [{ reason: 'stop' }, true, 'tool_use'],
    [{ reason: 'stop', stopSequence: 'X' }, false, 'stop_sequence'],
    [{ reason: 'length' }, true, 'max_tokens'],
    [{ reason: 'tool-calls' }, true, 'tool_use'],
    [{ reason: 'content-filter' }, false, 'refusal'],
    [{ reason: 'refusal' }, false, 'refusal'],
    [{ reason: 'other', raw: 'pause_turn' }, false, 'pause_turn'],
    [{ reason: 'other', raw: 'OTHER' }, false, 'end_turn'],
  ])('model-8: a finish is never lost: %j with a call %s → %s', (finish, called, word) => {
    const call: AssistantPart = { type: 'tool-call', id: 'a', name: 'b', arguments: '{}' }
    const whole = answer(called ? [call] : [{ type: 'text', text: 'x' }], finish)
    expect(encodeWhole(whole).stop_reason).toBe(word)
    expect(bodies(encode(replay(whole))).at(-2)).toMatchObject({
      delta: { stop_reason: word, stop_sequence: finish.stopSequence ?? null },
    })
  })

  test('an answer that failed upstream is an error, whole and streamed', () => {
    const whole = answer([{ type: 'text', text: 'x' }], { reason: 'error', raw: 'MALFORMED_FUNCTION_CALL' })
    expect(() => encodeWhole(whole)).toThrow(/MALFORMED_FUNCTION_CALL/)
    expect(bodies(encode(replay(whole))).at(-1)?.type).toBe('error')
  })

  test.each([
    ['on its text', [{ type: 'text', text: 'so', opaque: sealed }]],
    [
      'on an empty text behind',
      [
        { type: 'text', text: 'so' },
        { type: 'text', text: '', opaque: sealed },
      ],
    ],
    [
      'on both',
      [
        { type: 'text', text: 'so', opaque: sealed },
        { type: 'text', text: '', opaque: sealed },
      ],
    ],
  ] as const)(
    'gemini-3, anthropic-10: an answer signed %s ends with its text: Claude Code prints nothing else',
    (_, content) => {
      const kinds = encodeWhole(answer(content)).content as readonly JsonObject[]
      expect(kinds).toEqual([{ type: 'text', text: 'so' }])
      const begun = bodies(encode(replay(answer(content)))).filter(({ type }) => type === 'content_block_start')
      expect(begun).toMatchObject([{ index: 0, content_block: { type: 'text' } }])
    },
  )

  test('model-4: signatures of other formats travel wrapped, on thoughts, texts and calls', () => {
    const made = { format: 'gemini', value: 'AQ==', origin: '3' } as const
    const content: readonly AssistantPart[] = [
      { type: 'reasoning', text: 'hm', opaque: made },
      { type: 'text', text: 'so', opaque: made },
      { type: 'tool-call', id: 'a', name: 'b', arguments: '{"c":1}', opaque: made },
    ]
    const message = encodeWhole(answer(content))
    const streamed = bodies(encode(replay(answer(content))))
    expect(streamed.filter(({ type }) => type === 'content_block_start')).toHaveLength(5)
    const sent = message.content as readonly JsonObject[]
    expect(sent.map(({ type }) => type)).toEqual([
      'thinking',
      'text',
      'redacted_thinking',
      'tool_use',
      'redacted_thinking',
    ])
    expect(unwrapOpaque(asString(sent[2]?.data) ?? '', 'anthropic')).toEqual(made)
    const back = codec.decodeRequest(
      {
        headers: {},
        route: { operation: 'generate' },
        body: { model: 'm', max_tokens: 9, messages: [{ role: 'assistant', content: sent }] },
      },
      () => undefined,
    )
    expect(back.messages).toEqual([{ role: 'assistant', content }])
  })

  test('a thought without a signature has one that clients send back, and that means nothing', () => {
    const content: readonly AssistantPart[] = [{ type: 'reasoning', text: 'hm' }]
    const [sent] = encodeWhole(answer(content)).content as readonly JsonObject[]
    expect(sent?.signature).not.toBe('')
    const signature = bodies(encode(replay(answer(content)))).find(({ delta }) => asObject(delta)?.signature)
    expect(asObject(signature?.delta)?.signature).toBe(sent?.signature)
    const messages = [{ role: 'assistant', content: [sent ?? {}] }]
    expect(decodeRequest({ messages }).messages).toEqual([{ role: 'assistant', content }])
  })

  test('encrypted thoughts without a word become thinking with a signature; Anthropic’s own stay redacted', () => {
    const foreign = { format: 'openai-responses', value: 'gAAA' } as const
    const own = { format: 'anthropic', value: 'Em' } as const
    const content: readonly AssistantPart[] = [
      { type: 'reasoning', text: '', redacted: true, opaque: foreign },
      { type: 'reasoning', text: '', redacted: true, opaque: own },
      { type: 'reasoning', text: '', redacted: true },
    ]
    const told = bodies(encode(replay(answer(content))))
    const starts = told.filter(({ type }) => type === 'content_block_start')
    expect(starts).toMatchObject([
      { index: 0, content_block: { type: 'thinking' } },
      { index: 1, content_block: { type: 'redacted_thinking', data: 'Em' } },
    ])
    expect(told[2]).toMatchObject({ delta: { type: 'signature_delta' } })
    expect(told.filter(({ type }) => type === 'content_block_stop')).toHaveLength(2)
  })

  test('model-5: a free-form call is a call with one string, streamed too', () => {
    const call: AssistantPart = {
      type: 'tool-call',
      id: 'a',
      name: 'apply_patch',
      arguments: '*** "Begin"\n',
      custom: true,
    }
    expect(encodeWhole(answer([call])).content).toMatchObject([{ input: { input: '*** "Begin"\n' } }])
    expect(collect(decode(encode(replay(answer([call]))))).content).toMatchObject([
      { arguments: '{"input":"*** \\"Begin\\"\\n"}' },
    ])
  })

  test('anthropic-8: ids of calls match ^[a-zA-Z0-9_-]+$ and are unique', () => {
    const ids = ['call.1', 'call:1', '', '', 'fine-1', 'fine-1']
    const content = ids.map((id): AssistantPart => ({ type: 'tool-call', id, name: 'b', arguments: '' }))
    const message = encodeWhole(answer(content)).content as readonly JsonObject[]
    const told = message.map(({ id }) => asString(id) ?? '')
    expect(new Set(told).size).toBe(ids.length)
    for (const id of told) expect(id).toMatch(/^[a-zA-Z0-9_-]+$/)
    const streamed = bodies(encode(replay(answer(content)))).filter(({ type }) => type === 'content_block_start')
    expect(streamed.map((event) => (event.content_block as JsonObject).id)).toEqual(told)
  })

  test('citations, media, further choices and blocks without a word', () => {
    const content: readonly AssistantPart[] = [
      { type: 'text', text: '' },
      { type: 'text', text: 'said', citations: [{ url: 'https://a', title: 'A', quoted: 'q' }] },
      { type: 'media', mediaType: 'image/png', source: { kind: 'base64', data: 'AA' } },
    ]
    const whole = { ...answer(content), alternatives: [{ content, finish: { reason: 'stop' } as const }] }
    const told = bodies(encode(replay(whole)))
    expect(told.filter(({ type }) => type === 'content_block_start')).toHaveLength(2)
    expect(told.filter(({ type }) => type === 'message_stop')).toHaveLength(1)
    expect(told[3]).toMatchObject({
      delta: { type: 'citations_delta', citation: { type: 'web_search_result_location', url: 'https://a' } },
    })
    expect(encodeWhole(whole).content).toMatchObject([
      { text: 'said', citations: [{ cited_text: 'q', title: 'A' }] },
      { text: expect.stringContaining('image/png') as unknown },
    ])
  })

  test('a source that closes too early ends with an error', () => {
    const events = replay(answer([{ type: 'text', text: 'x' }])).filter(({ type }) => type !== 'finish')
    expect(bodies(encode(events)).at(-1)?.type).toBe('error')
  })
})
