import { describe, expect, test } from 'vitest'
import { collect } from '../../model/collect.ts'
import type { JsonObject, Loss, Message, Opaque } from '../../model/request.ts'
import type { ChatResponse, StreamEvent } from '../../model/response.ts'
import {
  chunk,
  codec,
  contents,
  decodeRequest,
  decodeStream,
  encode,
  encodeStream,
  request,
  signed,
} from './test-codec.ts'
import { DUMMY_SIGNATURE } from './thoughts.ts'

describe('gemini-1: calls and results', () => {
  test('the finish of calls is derived from the parts', () => {
    const response = collect(
      decodeStream([
        chunk([{ functionCall: { name: 'weather', args: { city: 'Rome' } } }]),
        chunk([{ text: '' }], 'STOP'),
      ]),
    )
    expect(response.finish).toEqual({ reason: 'tool-calls', raw: 'STOP' })
  })
  test('calls without ids get ids of their own, which differ between answers', () => {
    const answer = (responseId: string): string[] =>
      collect(
        decodeStream([
          { ...chunk([{ functionCall: { name: 'a' } }, { functionCall: { name: 'a' } }], 'STOP'), responseId },
        ]),
      ).content.map((part) => (part.type === 'tool-call' ? part.id : ''))
    const ids = [...answer('r1'), ...answer('r2')]
    expect(new Set(ids).size).toBe(4)
    expect(answer('r1')).toEqual(answer('r1'))
  })
  test('an id that comes twice is made unique', () => {
    const { content } = collect(
      decodeStream([
        chunk([{ functionCall: { id: 'x', name: 'a' } }, { functionCall: { id: 'x', name: 'b' } }], 'STOP'),
      ]),
    )
    expect(content.map((part) => (part.type === 'tool-call' ? part.id : ''))).toEqual(['x', 'x_2'])
  })
  test('results are mapped by id, else by name, else by order', () => {
    const { messages } = decodeRequest({
      contents: [
        { role: 'user', parts: [{ text: 'Go' }] },
        {
          role: 'model',
          parts: [
            { functionCall: { name: 'a' } },
            { functionCall: { name: 'b' } },
            { functionCall: { id: 'c1', name: 'a' } },
          ],
        },
        {
          role: 'user',
          parts: [
            { functionResponse: { name: 'b', response: { output: 'B' } } },
            { functionResponse: { name: 'a', id: 'c1', response: { output: 'C' } } },
            { functionResponse: { name: 'unknown', response: { output: 'A' } } },
          ],
        },
        { role: 'model', parts: [{ functionCall: { name: 'a' } }] },
        { role: 'function', parts: [{ functionResponse: { name: 'a', response: { output: 'again' } } }] },
      ],
    })
    const calls = messages.flatMap((message) =>
      message.role === 'assistant' ? message.content.flatMap((part) => (part.type === 'tool-call' ? part.id : [])) : [],
    )
    const results = messages.flatMap((message) =>
      message.role === 'tool' ? message.content.map((part) => [part.callId, part.name]) : [],
    )
    expect(new Set(calls).size).toBe(4)
    expect(results).toEqual([
      [calls[1], 'b'],
      [calls[2], 'a'],
      [calls[0], 'a'],
      [calls[3], 'a'],
    ])
  })
  test("a response has the function's name, not the call's id", () => {
    expect(
      contents([
        { role: 'user', content: [{ type: 'text', text: 'Go' }] },
        {
          role: 'assistant',
          content: [{ type: 'tool-call', id: 'toolu_1', name: 'weather', arguments: '{"city":"Rome"}' }],
        },
        {
          role: 'tool',
          content: [{ type: 'tool-result', callId: 'toolu_1', content: [{ type: 'text', text: 'sunny' }] }],
        },
      ]),
    ).toEqual([
      { role: 'user', parts: [{ text: 'Go' }] },
      {
        role: 'model',
        parts: [
          {
            functionCall: { id: 'toolu_1', name: 'weather', args: { city: 'Rome' } },
            thoughtSignature: DUMMY_SIGNATURE,
          },
        ],
      },
      {
        role: 'user',
        parts: [{ functionResponse: { id: 'toolu_1', name: 'weather', response: { output: 'sunny' } } }],
      },
    ])
  })
})

describe('gemini-2: signatures of calls in the history', () => {
  const history = (opaque?: Opaque): readonly Message[] => [
    { role: 'user', content: [{ type: 'text', text: 'Go' }] },
    {
      role: 'assistant',
      content: [
        { type: 'tool-call', id: '1', name: 'a', arguments: '{}', ...(opaque !== undefined && { opaque }) },
        { type: 'tool-call', id: '2', name: 'b', arguments: '{}' },
      ],
    },
    {
      role: 'tool',
      content: [
        { type: 'tool-result', callId: '1', content: [] },
        { type: 'tool-result', callId: '2', content: [] },
      ],
    },
  ]
  const signatures = (opaque: Opaque | undefined, model?: string): readonly unknown[] =>
    JSON.stringify(contents(history(opaque), model)).match(/"thoughtSignature":"[^"]*"/g) ?? []
  test.each([
    ['none', undefined, DUMMY_SIGNATURE],
    ['its own', signed('c2ln'), 'c2ln'],
    ["another channel's", signed('c2ln', 'gemini', 'there'), DUMMY_SIGNATURE],
    ["another provider's", signed('c2ln', 'anthropic'), DUMMY_SIGNATURE],
  ])('%s', (_name, opaque, value) => {
    expect(signatures(opaque)).toEqual([`"thoughtSignature":"${value}"`])
  })
  test('models before Gemini 3 need no dummy', () => {
    expect(signatures(undefined, 'gemini-2.5-pro')).toEqual([])
  })
  test.each(['skip_thought_signature_validator', DUMMY_SIGNATURE])(
    'a dummy that a client sent says nothing: %s',
    (thoughtSignature) => {
      const { messages } = decodeRequest({
        contents: [{ role: 'model', parts: [{ functionCall: { name: 'a' }, thoughtSignature }] }],
      })
      expect(messages[0]?.content[0]).not.toHaveProperty('opaque')
    },
  )
  test('of parallel calls only the first has one', () => {
    const { content } = collect(
      decodeStream([
        chunk([{ functionCall: { name: 'a' }, thoughtSignature: 'c2ln' }, { functionCall: { name: 'b' } }], 'STOP'),
      ]),
    )
    expect(content.map((part) => part.opaque)).toEqual([{ format: 'gemini', value: 'c2ln', origin: 'here' }, undefined])
  })
})

describe('gemini-3: signatures of text', () => {
  test('an empty last text part signs the text before it, and stays a part for Gemini clients', () => {
    const events = decodeStream([chunk([{ text: 'Hello' }]), chunk([{ text: '', thoughtSignature: 'c2ln' }], 'STOP')])
    expect(collect(events).content).toEqual([{ type: 'text', text: 'Hello', opaque: signed('c2ln') }])
    expect(encodeStream(events)).toContain('{"parts":[{"text":"","thoughtSignature":"c2ln"}],"role":"model"}')
  })
  test('behind a call it is a part of its own', () => {
    const { content } = collect(
      decodeStream([chunk([{ functionCall: { name: 'a' } }]), chunk([{ text: '', thoughtSignature: 'c2ln' }], 'STOP')]),
    )
    expect(content[1]).toEqual({ type: 'text', text: '', opaque: signed('c2ln') })
  })
  test('signed parts of the history keep their places', () => {
    const parts = [{ text: 'A', thoughtSignature: 'c2ln' }, { text: 'B' }, { text: '', thoughtSignature: 'bGFzdA==' }]
    const { messages } = decodeRequest({
      contents: [
        { role: 'user', parts: [{ text: 'Hi' }] },
        { role: 'model', parts },
      ],
    })
    expect(contents(messages)).toEqual([
      { role: 'user', parts: [{ text: 'Hi' }] },
      { role: 'model', parts },
    ])
  })
  test('another format signs through us: wrapped on the way out, unwrapped on the way back', () => {
    const opaque = signed('sig==', 'anthropic', 'claude')
    const response: ChatResponse = {
      id: 'r',
      model: 'm',
      createdAt: 0,
      finish: { reason: 'stop' },
      content: [
        { type: 'reasoning', text: 'Hm', opaque },
        { type: 'text', text: 'Yes' },
      ],
    }
    const [candidate] = codec.encodeResponse(response, request({}))['candidates'] as JsonObject[]
    const { messages } = decodeRequest({ contents: [candidate?.['content'] ?? {}] })
    expect(messages[0]?.content).toEqual([
      { type: 'reasoning', text: 'Hm', opaque },
      { type: 'text', text: 'Yes' },
    ])
  })
  test('a foreign thought rides on its call, because gemini-cli drops thoughts from its history', () => {
    const opaque = signed('sig==', 'anthropic', 'claude')
    const events: StreamEvent[] = [
      { type: 'start', id: 'r', model: 'm', createdAt: 0 },
      { type: 'block-start', index: 0, block: { type: 'reasoning' } },
      { type: 'block-delta', index: 0, text: 'Hm ü' },
      { type: 'block-end', index: 0, opaque },
      { type: 'block-start', index: 1, block: { type: 'tool-call', id: 'toolu_1', name: 'a' } },
      { type: 'block-delta', index: 1, text: '{"x":' },
      { type: 'block-delta', index: 1, text: '1}' },
      { type: 'block-end', index: 1 },
      { type: 'finish', finish: { reason: 'tool-calls' } },
    ]
    const parts = encodeStream(events)
      .split('\r\n\r\n')
      .filter((frame) => frame !== '')
      .flatMap(
        (frame) =>
          (JSON.parse(frame.slice(6)) as { candidates: { content: { parts: JsonObject[] } }[] }).candidates[0]!.content
            .parts,
      )
    const sentBack = (kept: readonly JsonObject[]) =>
      decodeRequest({ contents: [{ role: 'model', parts: kept }] }).messages[0]?.content
    const thought = { type: 'reasoning', text: 'Hm ü', opaque }
    const call = { type: 'tool-call', id: 'toolu_1', name: 'a', arguments: '{"x":1}' }
    expect(sentBack(parts.filter((part) => part['thought'] !== true && part['text'] === undefined))).toEqual([
      thought,
      call,
    ])
    // a client that keeps thoughts and their signatures sends it twice
    const whole = codec.encodeResponse(collect(events), request({}))['candidates'] as {
      content: { parts: JsonObject[] }
    }[]
    expect(sentBack(whole[0]!.content.parts)).toEqual([thought, call])
  })
  test('a thought goes back only with the signature of its own channel', () => {
    const losses: Loss[] = []
    const thought = (opaque?: Opaque): Message => ({
      role: 'assistant',
      content: [
        { type: 'reasoning', text: 'Hm', ...(opaque !== undefined && { opaque }) },
        { type: 'text', text: 'Yes' },
      ],
    })
    const parts = (opaque?: Opaque) => encode({ messages: [thought(opaque)] }, losses)['contents']
    expect(parts(signed('c2ln'))).toEqual([
      { role: 'model', parts: [{ text: 'Hm', thought: true, thoughtSignature: 'c2ln' }, { text: 'Yes' }] },
    ])
    expect(losses).toEqual([])
    expect(parts(signed('c2ln', 'gemini', 'there'))).toEqual([{ role: 'model', parts: [{ text: 'Yes' }] }])
    expect(parts()).toEqual([{ role: 'model', parts: [{ text: 'Yes' }] }])
    expect(losses.map((loss) => loss.field)).toEqual(['messages.reasoning', 'messages.reasoning'])
  })
})

describe('gemini-6: as many responses as calls', () => {
  const call = (id: string) => ({ type: 'tool-call', id, name: `f${id}`, arguments: '' }) as const
  const result = (callId: string, text = callId) =>
    ({ type: 'tool-result', callId, content: [{ type: 'text', text }] }) as const
  const responses = (messages: readonly Message[], losses: Loss[] = []): unknown[] =>
    (
      encode({ messages }, losses)['contents'] as {
        role: string
        parts: Record<string, { id: string; response: object }>[]
      }[]
    ).map(({ role, parts }) => [
      role,
      ...parts.map((part) => part['functionResponse']?.id ?? part['functionCall']?.id ?? part['text']),
    ])
  const user: Message = { role: 'user', content: [{ type: 'text', text: 'Go' }] }
  test('results of several messages stand in one turn, in the calls order, before what the user says', () => {
    expect(
      responses([
        user,
        { role: 'assistant', content: [call('1'), call('2')] },
        { role: 'tool', content: [result('2')] },
        { role: 'user', content: [{ type: 'text', text: 'quick' }] },
        { role: 'tool', content: [result('1')] },
      ]),
    ).toEqual([
      ['user', 'Go'],
      ['model', '1', '2'],
      ['user', '1', '2'],
      ['user', 'quick'],
    ])
  })
  test('calls of assistant messages that follow each other are one turn', () => {
    expect(
      responses([
        user,
        { role: 'assistant', content: [{ type: 'text', text: 'Well' }] },
        { role: 'assistant', content: [call('1')] },
        { role: 'assistant', content: [call('2')] },
        { role: 'tool', content: [result('1'), result('2')] },
        { role: 'assistant', content: [call('3')] },
        { role: 'tool', content: [result('3')] },
      ]),
    ).toEqual([
      ['user', 'Go'],
      ['model', 'Well', '1', '2'],
      ['user', '1', '2'],
      ['model', '3'],
      ['user', '3'],
    ])
  })
  test('a missing result is told, a result without its call is text', () => {
    const losses: Loss[] = []
    expect(
      responses(
        [user, { role: 'tool', content: [result('0', 'lost')] }, { role: 'assistant', content: [call('1')] }, user],
        losses,
      ),
    ).toEqual([
      ['user', 'Go'],
      ['user', 'Result of 0:', 'lost'],
      ['model', '1'],
      ['user', '1'],
      ['user', 'Go'],
    ])
    expect(losses).toHaveLength(2)
  })
  test('arguments and responses are objects; errors are said', () => {
    const parts = (
      contents([
        user,
        {
          role: 'assistant',
          content: [
            { type: 'tool-call', id: '1', name: 'a', arguments: '' },
            { type: 'tool-call', id: '2', name: 'b', arguments: '[1]' },
            { type: 'tool-call', id: '3', name: 'apply_patch', arguments: '*** Begin', custom: true },
          ],
        },
        { role: 'tool', content: [{ ...result('1', 'no'), isError: true }, result('2', '{"a":1}'), result('3')] },
      ]) as { parts: Record<string, JsonObject>[] }[]
    ).flatMap((content) => content.parts)
    expect(parts.flatMap((part) => part['functionCall']?.['args'] ?? [])).toEqual([
      {},
      { input: '[1]' },
      { input: '*** Begin' },
    ])
    expect(parts.flatMap((part) => part['functionResponse']?.['response'] ?? [])).toEqual([
      { error: 'no' },
      { output: '{"a":1}' },
      { output: '3' },
    ])
  })
  test.each([
    [{ output: 'text' }, 'text', undefined],
    [{ result: 'text' }, 'text', undefined],
    [{ output: { a: 1 } }, '{"a":1}', undefined],
    [{ error: 'bad' }, 'bad', true],
    [{ temperature: 20, unit: 'C' }, '{"temperature":20,"unit":"C"}', undefined],
    [{}, '', undefined],
  ])('the response %j is the text %j', (response, text, isError) => {
    const { messages } = decodeRequest({
      contents: [
        { role: 'model', parts: [{ functionCall: { name: 'a' } }] },
        { role: 'user', parts: [{ functionResponse: { name: 'a', response } }] },
      ],
    })
    expect(messages[1]?.content[0]).toEqual({
      type: 'tool-result',
      callId: 'call_0',
      name: 'a',
      content: [{ type: 'text', text }],
      ...(isError && { isError }),
    })
  })
  test('media of a result is in the response, and before Gemini 3 in the next turn', () => {
    const image = { type: 'media', mediaType: 'image/png', source: { kind: 'base64', data: 'iVBO' } } as const
    const messages: readonly Message[] = [
      user,
      { role: 'assistant', content: [call('1')] },
      { role: 'tool', content: [{ type: 'tool-result', callId: '1', content: [image] }] },
    ]
    const inlineData = { mimeType: 'image/png', data: 'iVBO' }
    expect(contents(messages)).toMatchObject([{}, {}, { parts: [{ functionResponse: { parts: [{ inlineData }] } }] }])
    const older = contents(messages, 'gemini-2.5-pro')
    expect(older).toMatchObject([
      {},
      {},
      { parts: [{ functionResponse: { id: '1' } }] },
      { role: 'user', parts: [{}, { inlineData }] },
    ])
  })
})
