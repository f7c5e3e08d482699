import { describe, expect, test } from 'vitest'
import type { ChatRequest, JsonObject, Loss, Message, Tool } from '../../model/request.ts'
import { call, encode, fieldsOf, objects, result, run, user } from './testing/requests.ts'

describe('model → upstream', () => {
  test('anthropic-1: max_tokens is required: a default by model where the client said none', () => {
    expect(encode({}).max_tokens).toBe(32_000)
    expect(encode({ model: 'claude-3-haiku-20240307' }).max_tokens).toBe(4096)
    expect(encode({ model: 'kimi-k2' }).max_tokens).toBe(8192)
    expect(encode({ sampling: { maxTokens: 7 } }).max_tokens).toBe(7)
  })

  test('anthropic-2: results come first in the next user turn, one for each call, in the order of the calls', () => {
    const losses: Loss[] = []
    const messages: Message[] = [
      user('go'),
      { role: 'assistant', content: [call('a'), call('b'), call('c')] },
      user('and quickly'),
      { role: 'tool', content: [result('c', '3')] },
      { role: 'tool', content: [result('a', '1'), result('z', 'lost')] },
      { role: 'assistant', content: [{ type: 'text', text: 'done' }] },
    ]
    const turns = objects(encode({ messages, tools: [run] }, losses).messages)
    expect(turns.map(({ role }) => role)).toEqual(['user', 'assistant', 'user', 'assistant'])
    expect(objects(turns[2]?.content)).toEqual([
      { type: 'tool_result', tool_use_id: 'a', content: '1' },
      { type: 'tool_result', tool_use_id: 'b', is_error: true, content: 'This call has no result.' },
      { type: 'tool_result', tool_use_id: 'c', content: '3' },
      { type: 'text', text: 'and quickly' },
      { type: 'text', text: 'Result of an earlier tool call:' },
      { type: 'text', text: 'lost' },
    ])
    expect(fieldsOf(losses)).toEqual(['messages[].tool_calls', 'messages[] (tool result)'])
  })

  test('anthropic-2: calls in neighbouring assistant messages are one turn; ids may begin anew in each turn', () => {
    const messages: Message[] = [
      user('go'),
      { role: 'assistant', content: [call('call_0')] },
      { role: 'assistant', content: [call('call_1')] },
      { role: 'tool', content: [result('call_1', 'b'), result('call_0', 'a')] },
      { role: 'assistant', content: [call('call_0')] },
      { role: 'tool', content: [result('call_0', 'c')] },
    ]
    const turns = objects(encode({ messages, tools: [run] }).messages)
    expect(objects(turns[2]?.content).map(({ content }) => content)).toEqual(['a', 'b'])
    expect(objects(turns[4]?.content)).toMatchObject([{ tool_use_id: 'call_0_2', content: 'c' }])
  })

  test('anthropic-2: results with images, files and errors', () => {
    const content = [
      { type: 'text', text: 'see' },
      { type: 'media', mediaType: 'image/jpg', source: { kind: 'base64', data: 'AA==' } },
      { type: 'media', mediaType: 'application/pdf', source: { kind: 'base64', data: 'AA==' }, filename: 'a.pdf' },
    ] as const
    const messages: Message[] = [
      user('go'),
      { role: 'assistant', content: [call('a'), call('b')] },
      {
        role: 'tool',
        content: [
          { type: 'tool-result', callId: 'a', isError: true, content },
          { ...result('b'), content: [] },
        ],
      },
    ]
    const turns = objects(encode({ messages, tools: [run] }).messages)
    const results = objects(turns[2]?.content)
    expect(results).toMatchObject([
      { is_error: true, content: [{ type: 'text' }, { source: { media_type: 'image/jpeg' } }, { title: 'a.pdf' }] },
      { tool_use_id: 'b' },
    ])
    expect(results[1]).not.toHaveProperty('content')
  })

  test('anthropic-8: foreign ids are made valid, and a call and its result meet', () => {
    const messages: Message[] = [
      user('go'),
      { role: 'assistant', content: [call('fc:1/é'), call('')] },
      { role: 'tool', content: [result(''), result('fc:1/é')] },
    ]
    const [, calls, results] = objects(encode({ messages, tools: [run] }).messages)
    expect(objects(calls?.content).map(({ id }) => id)).toEqual(
      objects(results?.content).map((block) => block.tool_use_id),
    )
  })

  test('anthropic-9: at most four cache marks, the last ones', () => {
    const cache = { ttl: '1h' } as const
    const losses: Loss[] = []
    const body = encode(
      {
        tools: [{ ...run, cache }],
        messages: [
          { role: 'system', content: [{ type: 'text', text: 's', cache }] },
          { role: 'user', content: ['1', '2', '3'].map((text) => ({ type: 'text' as const, text, cache })) },
        ],
      },
      losses,
    )
    expect(objects(body.tools)[0]).not.toHaveProperty('cache_control')
    expect(objects(body.system)[0]?.cache_control).toEqual({ type: 'ephemeral', ttl: '1h' })
    expect(fieldsOf(losses)).toEqual(['cache_control'])
  })

  test('anthropic-10: a system message in the middle: a turn of its own where the model takes it, else in the user’s', () => {
    const messages: Message[] = [
      user('a'),
      { role: 'system', content: [{ type: 'text', text: 'briefly' }], origin: 'developer' },
      { role: 'assistant', content: [{ type: 'text', text: 'b' }] },
      { role: 'system', content: [{ type: 'text', text: 'longer' }] },
      user('c'),
    ]
    const roles = (model: string) => objects(encode({ model, messages }).messages).map(({ role }) => role)
    expect(roles('claude-opus-4-8')).toEqual(['user', 'system', 'assistant', 'user'])
    expect(roles('claude-sonnet-4-5')).toEqual(['user', 'assistant', 'user'])
    expect(JSON.stringify(encode({ messages }).messages)).toContain('<system>\\nbriefly\\n</system>')
  })

  test('anthropic-11: turns of one role become one; blank texts go; the first turn is the user’s', () => {
    const messages: Message[] = [
      { role: 'assistant', content: [{ type: 'text', text: 'hello' }] },
      user('a'),
      user(' '),
      user('b'),
      { role: 'assistant', content: [{ type: 'text', text: 'so: ' }] },
    ]
    expect(objects(encode({ messages }).messages)).toEqual([
      { role: 'user', content: [{ type: 'text', text: 'Continue.' }] },
      { role: 'assistant', content: [{ type: 'text', text: 'hello' }] },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'a' },
          { type: 'text', text: 'b' },
        ],
      },
      { role: 'assistant', content: [{ type: 'text', text: 'so:' }] },
    ])
    const only = encode({ messages: [{ role: 'system', content: [{ type: 'text', text: 'all there is' }] }] })
    expect(only.messages).toEqual([{ role: 'user', content: [{ type: 'text', text: 'all there is' }] }])
    expect(only).not.toHaveProperty('system')
  })

  test('model-1: fields of other formats are reported, own ones come out', () => {
    const losses: Loss[] = []
    const native = (format: 'anthropic' | 'gemini') => ({ native: { format, fields: { container: 'c' } } })
    expect(encode(native('anthropic'), losses).container).toBe('c')
    expect(losses).toEqual([])
    expect(encode(native('gemini'), losses)).not.toHaveProperty('container')
    expect(fieldsOf(losses)).toEqual(['container'])
  })

  test('model-3: what has no place is reported', () => {
    const losses: Loss[] = []
    encode(
      {
        sampling: { seed: 1, frequencyPenalty: 0.5, presencePenalty: 0, choices: 2, logprobs: true, stop: [' ', 'X'] },
        cacheKey: 'k',
        serviceTier: 'flex',
        metadata: { userId: 'u', labels: { a: 'b' } },
      },
      losses,
    )
    expect(fieldsOf(losses).sort()).toEqual(
      ['frequency_penalty', 'logprobs', 'metadata', 'n', 'prompt_cache_key', 'seed', 'service_tier', 'stop'].sort(),
    )
  })

  test('model-5: free-form tools and their calls are functions of one string', () => {
    const custom: Tool = { type: 'custom', name: 'apply_patch', grammar: { syntax: 'lark', definition: 'start: x' } }
    const messages: Message[] = [
      user('go'),
      { role: 'assistant', content: [{ ...call('a', '*** "x"'), name: 'apply_patch', custom: true }] },
      { role: 'tool', content: [{ ...result('a'), custom: true }] },
    ]
    const body = encode({ tools: [custom], messages })
    expect(objects(body.tools)[0]).toMatchObject({ input_schema: { required: ['input'] } })
    expect(objects(objects(body.messages)[1]?.content)).toMatchObject([{ input: { input: '*** "x"' } }])
  })

  test('arguments that are no object are kept', () => {
    for (const args of ['', ' ', '{"a":', '[1]']) {
      const messages: Message[] = [user('go'), { role: 'assistant', content: [call('a', args)] }]
      const [, turn] = objects(encode({ messages, tools: [run] }).messages)
      expect(objects(turn?.content)[0]?.input).toEqual(args.trim() === '' ? {} : { arguments: args })
    }
  })

  test('native tools stay with their format, a choice without tools is not sent', () => {
    const losses: Loss[] = []
    const definition = { type: 'web_search_20250305', name: 'web_search' }
    const tools: Tool[] = [
      { type: 'native', format: 'anthropic', name: 'web_search', definition },
      { type: 'native', format: 'openai-responses', name: 'file_search', definition: { type: 'file_search' } },
    ]
    expect(encode({ tools }, losses).tools).toEqual([definition])
    expect(encode({ tools: tools.slice(1), toolChoice: 'auto' }, losses)).not.toHaveProperty('tool_choice')
    expect(fieldsOf(losses)).toEqual(['tools[] (file_search)', 'tools[] (file_search)'])
  })

  test.each<[ChatRequest['toolChoice'], boolean | undefined, JsonObject | undefined]>([
    ['auto', undefined, { type: 'auto' }],
    ['none', false, { type: 'none' }],
    ['required', false, { type: 'any', disable_parallel_tool_use: true }],
    [{ name: 'run' }, undefined, { type: 'tool', name: 'run' }],
    [undefined, false, { type: 'auto', disable_parallel_tool_use: true }],
    [undefined, true, undefined],
  ])('tool choice %j, parallel %s', (toolChoice, parallelToolCalls, wire) => {
    const body = encode({
      tools: [run],
      sampling: parallelToolCalls === undefined ? {} : { parallelToolCalls },
      ...(toolChoice && { toolChoice }),
    })
    expect(body.tool_choice).toEqual(wire)
  })

  test('media that cannot be read here leave a word behind', () => {
    const losses: Loss[] = []
    const content = [
      { type: 'media', mediaType: 'audio/wav', source: { kind: 'base64', data: 'AA==' } },
      { type: 'media', mediaType: '', source: { kind: 'file', format: 'gemini', id: 'f' } },
      { type: 'media', mediaType: 'text/csv', source: { kind: 'base64', data: 'YSxi' }, filename: 'a.csv' },
      { type: 'media', mediaType: '', source: { kind: 'url', url: 'https://a/b.pdf?x' } },
    ] as const
    const [turn] = objects(encode({ messages: [{ role: 'user', content }] }, losses).messages)
    expect(objects(turn?.content)).toMatchObject([
      { type: 'text', text: expect.stringContaining('audio/wav') as unknown },
      { type: 'text' },
      { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'a,b' }, title: 'a.csv' },
      { type: 'document', source: { type: 'url' } },
    ])
    expect(losses).toHaveLength(2)
  })

  describe('model-7: structured output', () => {
    const schema = { type: 'object', properties: { n: { type: 'integer', minimum: 1 } }, required: ['n'] }
    const output = { type: 'json-schema', name: 'o', schema } as const

    test('natively, with a schema that the service takes', () => {
      expect(encode({ output }).output_config).toEqual({
        format: {
          type: 'json_schema',
          schema: {
            type: 'object',
            properties: { n: { type: 'integer', description: '{minimum: 1}' } },
            required: ['n'],
            additionalProperties: false,
          },
        },
      })
    })

    test.each([
      ['an older model', { model: 'claude-3-5-haiku-20241022', output }],
      ['another service', { model: 'kimi-k2', output }],
      ['a map', { output: { ...output, schema: { type: 'object', additionalProperties: { type: 'string' } } } }],
    ] as const)('in words for %s', (_, fields) => {
      const losses: Loss[] = []
      const body = encode(fields, losses)
      expect(body).not.toHaveProperty('output_config')
      expect(JSON.stringify(body.system)).toContain('JSON Schema')
      expect(fieldsOf(losses)).toEqual(['response_format'])
    })

    test('any JSON object', () => {
      expect(JSON.stringify(encode({ output: { type: 'json' } }).system)).toContain('one JSON object')
    })

    test('strict tools within the limits', () => {
      const strict: Tool = { ...run, parameters: schema, strict: true }
      expect(objects(encode({ tools: [strict] }).tools)[0]).toMatchObject({
        strict: true,
        input_schema: { additionalProperties: false },
      })
      const losses: Loss[] = []
      const many = Array.from({ length: 21 }, (_, at): Tool => ({ ...strict, name: `t${at}` }))
      expect(objects(encode({ tools: many }, losses).tools)[0]).not.toHaveProperty('strict')
      expect(fieldsOf(losses)).toEqual(['tools[].strict'])
    })
  })
})
