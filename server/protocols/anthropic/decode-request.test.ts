import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RelayError } from '../../errors.ts'
import type { ChatRequest, JsonObject, Loss } from '../../model/request.ts'
import { asObject, parseObject } from '../narrow.ts'
import { codec } from './codec.ts'
import { decode, encode, fieldsOf, GENERATE, recordedRequest, requests } from './testing/requests.ts'

describe('recorded requests', () => {
  test.each(requests)('%s: what is encoded is valid and decodes to itself', (name) => {
    const request = decode(parseObject(recordedRequest(name))!)
    const body = encode(request)
    expect(encode(decode(body))).toEqual(body)
  })

  test('a plain one comes out as it went in', () => {
    const body = {
      model: 'claude-sonnet-4-5',
      max_tokens: 100,
      system: [{ type: 'text', text: 'be kind', cache_control: { type: 'ephemeral', ttl: '1h' } }],
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'look' },
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AA==' } },
            { type: 'image', source: { type: 'url', url: 'https://a/b' } },
            {
              type: 'document',
              source: { type: 'base64', media_type: 'application/pdf', data: 'AA==' },
              title: 'a.pdf',
            },
            { type: 'document', source: { type: 'url', url: 'https://a/c.pdf' } },
            { type: 'image', source: { type: 'file', file_id: 'file_1' } },
          ],
        },
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'hm', signature: 'Eq' },
            { type: 'redacted_thinking', data: 'Em' },
            { type: 'tool_use', id: 'toolu_1', name: 'run', input: { a: [1] } },
            { type: 'tool_use', id: 'toolu_2', name: 'run', input: {} },
          ],
        },
        {
          role: 'user',
          content: [
            {
              type: 'tool_result',
              tool_use_id: 'toolu_1',
              content: [
                { type: 'text', text: 'so' },
                { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AA==' } },
              ],
            },
            {
              type: 'tool_result',
              tool_use_id: 'toolu_2',
              content: 'broke',
              is_error: true,
              cache_control: { type: 'ephemeral' },
            },
            { type: 'text', text: 'go on' },
          ],
        },
      ],
      tools: [{ name: 'run', description: 'Runs.', input_schema: { $schema: 'x', type: 'object' } }],
      tool_choice: { type: 'auto', disable_parallel_tool_use: true },
      stop_sequences: ['X'],
      thinking: { type: 'enabled', budget_tokens: 2000, display: 'summarized' },
      metadata: { user_id: 'u' },
      service_tier: 'standard_only',
      context_management: { edits: [] },
      stream: true,
    }
    const losses: Loss[] = []
    expect(encode(decode({ ...body, max_tokens: 4000 }, losses), losses)).toEqual({ ...body, max_tokens: 4000 })
    expect(losses).toEqual([])
  })
})

describe('client → model', () => {
  test('anthropic-10: a billing text as first system block is stripped, and reported', () => {
    const losses: Loss[] = []
    const system = [
      { type: 'text', text: 'x-anthropic-billing-header: cc_version=9; cc_entrypoint=cli;' },
      { type: 'text', text: 'be kind' },
    ]
    expect(decode({ system }, losses).messages[0]).toEqual({
      role: 'system',
      content: [{ type: 'text', text: 'be kind' }],
    })
    expect(fieldsOf(losses)).toEqual(['system[0]'])
    expect(decode({ system: system.slice(0, 1) }, losses).messages[0]?.role).toBe('user')
  })

  test('anthropic-10: system messages in the middle stay where they are', () => {
    const messages = [
      { role: 'user', content: 'a' },
      { role: 'system', content: 'now briefly', output_config: { effort: 'low' } },
      { role: 'assistant', content: [{ type: 'text', text: 'b' }] },
    ]
    const losses: Loss[] = []
    expect(decode({ system: 'first', messages }, losses).messages.map(({ role }) => role)).toEqual([
      'system',
      'user',
      'system',
      'assistant',
    ])
    expect(fieldsOf(losses)).toEqual(['messages[].output_config'])
  })

  test('anthropic-10: fields of this format alone ride in native', () => {
    expect(decode({ context_management: { edits: [] }, container: 'c' }).native).toEqual({
      format: 'anthropic',
      fields: { context_management: { edits: [] }, container: 'c' },
    })
  })

  test.each<[JsonObject, ChatRequest['reasoning']]>([
    [{}, undefined],
    [{ thinking: { type: 'enabled', budget_tokens: 2000 } }, { budgetTokens: 2000 }],
    [{ thinking: { type: 'adaptive', display: 'omitted' } }, { adaptive: true, visible: false }],
    [
      { thinking: { type: 'adaptive' }, output_config: { effort: 'xhigh' } },
      { adaptive: true, effort: 'xhigh' },
    ],
    [{ thinking: { type: 'disabled' }, output_config: { effort: 'high' } }, { effort: 'none' }],
    [{ output_config: { effort: 'low' } }, { effort: 'low' }],
  ])('reasoning of %j', (fields, reasoning) => {
    expect(decode(fields).reasoning).toEqual(reasoning)
  })

  test.each<[JsonObject, ChatRequest['toolChoice'], boolean | undefined]>([
    [{ type: 'auto' }, 'auto', undefined],
    [{ type: 'any', disable_parallel_tool_use: true }, 'required', false],
    [{ type: 'tool', name: 'run' }, { name: 'run' }, undefined],
    [{ type: 'none' }, 'none', undefined],
  ])('tool choice %j', (tool_choice, toolChoice, parallelToolCalls) => {
    const request = decode({ tool_choice })
    expect(request.toolChoice).toEqual(toolChoice)
    expect(request.sampling.parallelToolCalls).toBe(parallelToolCalls)
  })

  test('structured output in the present and the older spelling', () => {
    const format = { type: 'json_schema', schema: { type: 'object' } }
    for (const fields of [{ output_config: { format } }, { output_format: format }])
      expect(decode(fields).output).toMatchObject({ type: 'json-schema', schema: { type: 'object' } })
  })

  test('tools, native tools, and settings that only this format has', () => {
    const losses: Loss[] = []
    const tools = [
      { name: 'a', input_schema: { type: 'object' }, strict: true, defer_loading: true },
      { type: 'custom', name: 'b', description: 'B', input_schema: {}, cache_control: { type: 'ephemeral' } },
      { type: 'web_search_20250305', name: 'web_search', max_uses: 2 },
    ]
    expect(decode({ tools }, losses).tools).toEqual([
      { type: 'function', name: 'a', parameters: { type: 'object' }, strict: true },
      { type: 'function', name: 'b', description: 'B', parameters: {}, cache: { ttl: '5m' } },
      { type: 'native', format: 'anthropic', name: 'web_search', definition: tools[2] },
    ])
    expect(fieldsOf(losses)).toEqual(['tools[].defer_loading'])
  })

  test('blocks of this format alone are reported once, what they tell in text is kept', () => {
    const losses: Loss[] = []
    const messages = [
      {
        role: 'assistant',
        content: [
          { type: 'compaction', content: 'so far' },
          { type: 'server_tool_use', id: 's' },
        ],
      },
      { role: 'assistant', content: [{ type: 'server_tool_use', id: 't' }] },
      {
        role: 'user',
        content: [
          { type: 'search_result', title: 'T', source: 'https://a', content: [{ type: 'text', text: 'found' }] },
          { type: 'document', title: 'n.txt', source: { type: 'text', media_type: 'text/plain', data: 'note' } },
          { type: 'document', source: { type: 'content', content: [{ type: 'text', text: 'inner' }] } },
          { type: 'tool_result', tool_use_id: 't', content: [{ type: 'tool_reference', tool_name: 'grep' }] },
        ],
      },
    ]
    expect(decode({ messages }, losses).messages).toEqual([
      { role: 'assistant', content: [{ type: 'text', text: 'so far' }] },
      {
        role: 'tool',
        content: [
          { type: 'tool-result', callId: 't', content: [{ type: 'text', text: 'The tool grep can be called now.' }] },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'T\nhttps://a\nfound' },
          { type: 'text', text: 'n.txt\nnote' },
          { type: 'text', text: 'inner' },
        ],
      },
    ])
    expect(fieldsOf(losses)).toEqual(['messages[].content[] (server_tool_use)'])
  })

  test.each<[string, JsonObject]>([
    ['model', { model: 5 }],
    ['messages', { messages: 'hi' }],
    ['messages', { messages: [] }],
    ['messages[0]', { messages: ['hi'] }],
    ['messages[0].role', { messages: [{ role: 'tool', content: 'x' }] }],
    ['messages[0].content', { messages: [{ role: 'user' }] }],
    ['messages[0].content', { messages: [{ role: 'user', content: 5 }] }],
    ['messages[0].content[0]', { messages: [{ role: 'user', content: ['x'] }] }],
    ['messages[0].content[0].type', { messages: [{ role: 'user', content: [{ text: 'x' }] }] }],
    ['messages[0].content[0].text', { messages: [{ role: 'user', content: [{ type: 'text' }] }] }],
    [
      'messages[0].content[0].source.data',
      { messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'base64' } }] }] },
    ],
    ['messages[0].content[0].source.type', { messages: [{ role: 'user', content: [{ type: 'image', source: {} }] }] }],
    ['messages[0].content[0].tool_use_id', { messages: [{ role: 'user', content: [{ type: 'tool_result' }] }] }],
    ['messages[0].content[0].name', { messages: [{ role: 'assistant', content: [{ type: 'tool_use', id: 'a' }] }] }],
    ['system[0].text', { system: [{ type: 'text', text: 5 }] }],
    ['max_tokens', { max_tokens: 'many' }],
    ['max_tokens', { max_tokens: 0 }],
    ['temperature', { temperature: '1' }],
    ['stop_sequences[1]', { stop_sequences: ['a', 5] }],
    ['tools', { tools: {} }],
    ['tools[0].name', { tools: [{}] }],
    ['tools[0].input_schema', { tools: [{ name: 'a' }] }],
    ['tool_choice.type', { tool_choice: { type: 'maybe' } }],
    ['tool_choice.name', { tool_choice: { type: 'tool' } }],
    ['thinking.budget_tokens', { thinking: { type: 'enabled' } }],
    ['output_config.effort', { output_config: { effort: 'enormous' } }],
  ])('%s is named when it is wrong: %j', (param, fields) => {
    expect(() => decode(fields)).toThrow(
      expect.objectContaining({ kind: 'invalid_request', detail: expect.objectContaining({ param }) as unknown }),
    )
  })

  test('anything at all is decoded or refused, never a defect', () => {
    const bodies = requests.map((name) => recordedRequest(name))
    fc.assert(
      fc.property(fc.constantFrom(...bodies), fc.nat(), fc.jsonValue(), (text, at, junk) => {
        // puts junk in place of one value somewhere in a recorded request
        let left = at % 60
        const spoilt: unknown = JSON.parse(text, (_, value: unknown) => (left-- === 0 ? junk : value))
        const body = asObject(spoilt)
        if (body === undefined) return
        try {
          encode(codec.decodeRequest({ headers: {}, body, route: GENERATE }, () => undefined))
        } catch (error) {
          expect(error).toBeInstanceOf(RelayError)
        }
      }),
      { numRuns: 2000 },
    )
  })
})
