import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RelayError } from '../../errors.ts'
import type { ChatRequest, JsonObject, Loss, Message, Tool } from '../../model/request.ts'
import { asArray, asNumber, asObject, asString, parseObject } from '../narrow.ts'
import { wrapOpaque } from '../signature.ts'
import { codec } from './codec.ts'

const fixtures = `${import.meta.dirname}/fixtures/`
const requests = readdirSync(fixtures).filter((name) => name.endsWith('.request.json'))
const GENERATE = { operation: 'generate' } as const

function decode(fields: JsonObject, losses: Loss[] = []): ChatRequest {
  const body = { model: 'claude-sonnet-4-5', max_tokens: 100, messages: [{ role: 'user', content: 'hi' }], ...fields }
  return codec.decodeRequest({ headers: {}, body, route: GENERATE }, (loss) => losses.push(loss))
}

function encode(fields: Partial<ChatRequest>, losses: Loss[] = []): JsonObject {
  const request: ChatRequest = {
    model: 'claude-sonnet-4-5',
    stream: false,
    messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }],
    tools: [],
    sampling: {},
    ...fields,
  }
  const body = codec.encodeRequest(request, { origin: '7', loss: (loss) => losses.push(loss) })
  expect(faults(body)).toEqual([])
  return body
}

const fieldsOf = (losses: readonly Loss[]) => losses.map(({ field }) => field)
const user = (text: string): Message => ({ role: 'user', content: [{ type: 'text', text }] })
const call = (id: string, args = '{}') => ({ type: 'tool-call', id, name: 'run', arguments: args }) as const
const result = (callId: string, text = 'ok') =>
  ({ type: 'tool-result', callId, content: [{ type: 'text', text }] }) as const
const run: Tool = { type: 'function', name: 'run', parameters: { type: 'object' } }
const objects = (value: unknown) => (asArray(value) ?? []).map((entry) => asObject(entry) ?? {})

/** What the service would answer with a 400. */
function faults(body: JsonObject): string[] {
  const found: string[] = []
  const check = (fine: boolean, what: string) => {
    if (!fine) found.push(what)
  }
  const limit = asNumber(body.max_tokens) ?? 0
  check(limit > 0, 'max_tokens')
  const thinking = asObject(body.thinking)
  const budget = asNumber(thinking?.budget_tokens)
  if (thinking?.type === 'enabled') check(budget !== undefined && budget >= 1024 && budget < limit, 'budget_tokens')
  const thinks = thinking?.type === 'enabled' || thinking?.type === 'adaptive'
  const choice = asObject(body.tool_choice)?.type
  if (thinks) {
    check(body.temperature === undefined || body.temperature === 1, 'temperature with thinking')
    check(body.top_k === undefined, 'top_k with thinking')
    check(choice !== 'any' && choice !== 'tool', 'a forced tool with thinking')
  }
  check(choice === undefined || objects(body.tools).length > 0, 'tool_choice without tools')
  const turns = objects(body.messages)
  check(turns[0]?.role === 'user', 'the first turn')
  const ids = new Set<string>()
  let open: string[] = []
  for (const [at, turn] of turns.entries()) {
    const blocks = objects(turn.content)
    check(blocks.length > 0, `empty turn ${at}`)
    const results = blocks
      .filter(({ type }) => type === 'tool_result')
      .map((block) => asString(block.tool_use_id) ?? '')
    check(results.join() === open.join(), `results in turn ${at}`)
    check(
      blocks.slice(0, results.length).every(({ type }) => type === 'tool_result'),
      `results first in turn ${at}`,
    )
    const calls = blocks.filter(({ type }) => type === 'tool_use')
    open = calls.map((block) => asString(block.id) ?? '')
    for (const [number, block] of calls.entries()) {
      const id = open[number] ?? ''
      check(/^[a-zA-Z0-9_-]+$/.test(id) && !ids.has(id), `id '${id}'`)
      check(asObject(block.input) !== undefined, 'input')
      ids.add(id)
    }
    for (const block of blocks) if (block.type === 'text') check(asString(block.text)?.trim() !== '', 'blank text')
  }
  check(open.length === 0, 'calls without results')
  const last = turns.at(-1)
  const end = asString(objects(last?.content).at(-1)?.text) ?? ''
  check(last?.role !== 'assistant' || end === end.trimEnd(), 'trailing white space')
  const marks = JSON.stringify(body).split('"cache_control"').length - 1
  check(marks <= 4, 'cache marks')
  for (const tool of objects(body.tools))
    if (tool.type === undefined) {
      check(/^[a-zA-Z0-9_-]{1,128}$/.test(asString(tool.name) ?? ''), 'tool name')
      check(asObject(tool.input_schema)?.type === 'object', 'input_schema')
    }
  return found
}

describe('recorded requests', () => {
  test.each(requests)('%s: what is encoded is valid and decodes to itself', (name) => {
    const request = decode(parseObject(readFileSync(fixtures + name, 'utf8'))!)
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
    const bodies = requests.map((name) => readFileSync(fixtures + name, 'utf8'))
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

describe('model → upstream', () => {
  test('anthropic-1: max_tokens is required: a default by model where the client said none', () => {
    expect(encode({}).max_tokens).toBe(32_000)
    expect(encode({ model: 'claude-3-haiku-20240307' }).max_tokens).toBe(4096)
    expect(encode({ model: 'kimi-k2' }).max_tokens).toBe(8192)
    expect(encode({ sampling: { maxTokens: 7 } }).max_tokens).toBe(7)
  })

  test.each<[string, ChatRequest['reasoning'], number | undefined, JsonObject | undefined]>([
    ['claude-sonnet-4-5', { budgetTokens: 3000 }, 4096, { type: 'enabled', budget_tokens: 3000 }],
    ['claude-sonnet-4-5', { budgetTokens: 9000 }, 4096, { type: 'enabled', budget_tokens: 4095 }],
    ['claude-sonnet-4-5', { budgetTokens: 10 }, 4096, { type: 'enabled', budget_tokens: 1024 }],
    ['claude-sonnet-4-5', { budgetTokens: 3000 }, 1000, undefined],
    ['claude-sonnet-4-5', { effort: 'high' }, 4096, { type: 'enabled', budget_tokens: 3276 }],
    ['claude-sonnet-4-5', { effort: 'medium' }, undefined, { type: 'enabled', budget_tokens: 8192 }],
    ['claude-sonnet-4-5', { adaptive: true }, undefined, { type: 'enabled', budget_tokens: 16_384 }],
    ['claude-sonnet-4-5', { effort: 'none' }, undefined, undefined],
    ['claude-sonnet-4-5', { summary: 'auto' }, undefined, undefined],
    ['claude-3-5-sonnet-20241022', { effort: 'high' }, undefined, undefined],
    ['claude-sonnet-4-6', { effort: 'low', visible: true }, undefined, { type: 'adaptive', display: 'summarized' }],
    ['claude-sonnet-4-6', { budgetTokens: 2000 }, undefined, { type: 'enabled', budget_tokens: 2000 }],
    ['claude-opus-4-7', { budgetTokens: 2000 }, undefined, { type: 'adaptive' }],
    ['claude-opus-4-8', { effort: 'none' }, undefined, undefined],
    ['claude-opus-5', { effort: 'none' }, undefined, { type: 'disabled' }],
    ['claude-opus-5-5', { effort: 'none' }, undefined, undefined],
    ['anthropic/claude-sonnet-4.5', { effort: 'low' }, undefined, { type: 'enabled', budget_tokens: 4096 }],
    ['kimi-k2', { effort: 'low', visible: true }, undefined, { type: 'enabled', budget_tokens: 4096 }],
  ])('anthropic-1: thinking of %s with %j and %s tokens', (...row) => {
    const [model, reasoning, maxTokens, thinking] = row
    const body = encode({
      model,
      sampling: maxTokens === undefined ? {} : { maxTokens },
      ...(reasoning && { reasoning }),
    })
    expect(body.thinking).toEqual(thinking)
  })

  test.each<[string, ChatRequest['reasoning'], string | undefined]>([
    ['claude-opus-4-7', { effort: 'xhigh' }, 'xhigh'],
    ['claude-opus-4-6', { effort: 'xhigh' }, 'high'],
    ['claude-opus-4-6', { effort: 'max' }, 'max'],
    ['claude-sonnet-4-6', { effort: 'minimal' }, 'low'],
    ['claude-opus-4-7', { budgetTokens: 20_000 }, 'high'],
    ['claude-opus-4-7', { adaptive: true }, undefined],
    ['claude-opus-5-5', { effort: 'none' }, 'low'],
    ['claude-sonnet-4-5', { effort: 'high' }, undefined],
  ])('anthropic-1: newer models take adaptive and an effort: %s with %j', (model, reasoning, effort) => {
    expect(asObject(encode({ model, reasoning: reasoning ?? {} }).output_config)?.effort).toBe(effort)
  })

  test('anthropic-1: temperature, top_p and top_k give way to thinking, and to each other', () => {
    const sampling = { temperature: 0.2, topP: 0.9, topK: 5 }
    const losses: Loss[] = []
    const thinking = encode({ sampling, reasoning: { effort: 'low' } }, losses)
    expect([thinking.temperature, thinking.top_p, thinking.top_k]).toEqual([undefined, undefined, undefined])
    expect(fieldsOf(losses)).toEqual(['temperature', 'top_p', 'top_k'])
    expect(encode({ sampling })).toMatchObject({ temperature: 0.2, top_k: 5 })
    expect(encode({ sampling }).top_p).toBeUndefined()
    expect(encode({ model: 'claude-opus-4', sampling })).toMatchObject({ temperature: 0.2, top_p: 0.9 })
    expect(encode({ model: 'claude-opus-4-8', sampling })).not.toHaveProperty('temperature')
    expect(encode({ model: 'kimi-k2', sampling: { topP: 0.97 }, reasoning: { effort: 'low' } }).top_p).toBe(0.97)
    expect(encode({ sampling: { temperature: 1.7 } }).temperature).toBe(1)
  })

  test('anthropic-1: a forced tool switches thinking off, or is given up where the model always thinks', () => {
    const forced = { tools: [run], toolChoice: 'required', reasoning: { effort: 'high' } } as const
    const losses: Loss[] = []
    expect(encode(forced, losses)).toMatchObject({ tool_choice: { type: 'any' } })
    expect(encode({ ...forced, model: 'claude-opus-5' }).thinking).toEqual({ type: 'disabled' })
    expect(encode({ ...forced, model: 'claude-opus-5-5' }, losses).tool_choice).toEqual({ type: 'auto' })
    expect(fieldsOf(losses)).toEqual(['reasoning', 'tool_choice'])
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

  describe('anthropic-3: thoughts', () => {
    const thought = (origin?: string) =>
      ({
        type: 'reasoning',
        text: 'hm',
        opaque: { format: 'anthropic', value: 'Eq', ...(origin && { origin }) },
      }) as const
    const turn = (part: ReturnType<typeof thought>): Partial<ChatRequest> => ({
      reasoning: { budgetTokens: 2000 },
      tools: [run],
      messages: [
        user('go'),
        { role: 'assistant', content: [part, call('a')] },
        { role: 'tool', content: [result('a')] },
        { role: 'assistant', content: [call('b')] },
        { role: 'tool', content: [result('b')] },
      ],
    })

    test.each([['7'], [undefined]])('of this channel (%s) go back verbatim', (origin) => {
      const body = encode(turn(thought(origin)))
      expect(objects(objects(body.messages)[1]?.content)[0]).toEqual({
        type: 'thinking',
        thinking: 'hm',
        signature: 'Eq',
      })
      expect(body.thinking).toBeDefined()
    })

    test('of another channel do not go, and then a budget cannot be: thinking is off', () => {
      const losses: Loss[] = []
      const body = encode(turn(thought('8')), losses)
      expect(JSON.stringify(body)).not.toContain('Eq')
      expect(body.thinking).toBeUndefined()
      expect(fieldsOf(losses)).toEqual(['messages[].content[] (reasoning)', 'reasoning'])
    })

    test('of another channel: a model that takes adaptive thinks on', () => {
      expect(encode({ ...turn(thought('8')), model: 'claude-sonnet-4-6' }).thinking).toEqual({ type: 'adaptive' })
    })

    test('redacted ones are kept; wrapped ones of this channel are unwrapped by the client’s format', () => {
      const opaque = { format: 'anthropic', value: 'Em', origin: '7' } as const
      const part = { type: 'reasoning', text: '', redacted: true, opaque } as const
      const body = encode({
        ...turn(thought()),
        messages: [user('go'), { role: 'assistant', content: [part] }, user('x')],
      })
      expect(objects(body.messages)[1]?.content).toEqual([{ type: 'redacted_thinking', data: 'Em' }])
    })

    test('a client sends back what we wrapped: it is foreign here, and none of its text is lost before', () => {
      const signature = wrapOpaque({ format: 'gemini', value: 'AQ', origin: '3' })
      const content = [
        { type: 'thinking', thinking: 'hm', signature },
        { type: 'thinking', thinking: 'unsigned', signature: '' },
      ]
      expect(decode({ messages: [{ role: 'assistant', content }] }).messages[0]?.content).toEqual([
        { type: 'reasoning', text: 'hm', opaque: { format: 'gemini', value: 'AQ', origin: '3' } },
        { type: 'reasoning', text: 'unsigned' },
      ])
    })
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
