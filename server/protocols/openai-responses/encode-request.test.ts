import { describe, expect, it } from 'vitest'
import type { AssistantPart, ChatRequest, JsonObject, Loss, Message } from '../../model/request.ts'
import { asArray, asObject, asString } from '../narrow.ts'
import { codec } from './codec.ts'
import { jsonOf, recorded } from './recorded.ts'

const base: ChatRequest = { model: 'gpt-5', stream: false, messages: [], tools: [], sampling: {} }

function encode(request: Partial<ChatRequest>, origin?: string): { body: JsonObject; losses: string[] } {
  const losses: Loss[] = []
  const context = { loss: (loss: Loss) => losses.push(loss), ...(origin === undefined ? {} : { origin }) }
  return { body: codec.encodeRequest({ ...base, ...request }, context), losses: losses.map((loss) => loss.field) }
}

const inputOf = (messages: readonly Message[], request: Partial<ChatRequest> = {}): readonly unknown[] =>
  asArray(encode({ messages, ...request }, 'here').body.input) ?? []
const user: Message = { role: 'user', content: [{ type: 'text', text: 'Hi' }] }
const turn = (...content: AssistantPart[]): Message => ({ role: 'assistant', content })
const call = (id: string): AssistantPart => ({ type: 'tool-call', id, name: 'f', arguments: '{}' })
const result = (callId: string, text = 'ok'): Message => ({
  role: 'tool',
  content: [{ type: 'tool-result', callId, content: [{ type: 'text', text }] }],
})

describe('recorded requests', () => {
  it.each(recorded('.request.json'))('%s says the same after a trip through the model', (name) => {
    const body = jsonOf(name)
    if ((body.previous_response_id ?? body.conversation ?? body.background ?? null) !== null) return
    const decode = (wire: JsonObject): ChatRequest =>
      codec.decodeRequest({ headers: {}, body: wire, route: { operation: 'generate' } }, () => undefined)
    const first = decode(body)
    const again = decode(codec.encodeRequest(first, { loss: () => undefined }))
    const visible = (request: ChatRequest): unknown => ({
      ...request,
      tools: request.tools.map((tool) => ({ ...tool, native: undefined })),
      messages: request.messages.map((message) => ({
        ...message,
        content: message.content
          .filter((part) => part.type !== 'text' || part.text !== '')
          .map((part) => ({ ...part, cache: undefined })),
      })),
    })
    expect(visible(again)).toEqual(visible(first))
  })
})

describe('input', () => {
  it('responses-4: assistant history uses output_text, user input input_text', () => {
    expect(
      inputOf([
        { role: 'system', content: [{ type: 'text', text: 'S' }] },
        { role: 'system', content: [{ type: 'text', text: 'D' }], origin: 'developer' },
        user,
        turn({ type: 'text', text: 'A' }, { type: 'text', text: 'No', refusal: true }, { type: 'text', text: '' }),
      ]),
    ).toEqual([
      { type: 'message', role: 'system', content: [{ type: 'input_text', text: 'S' }] },
      { type: 'message', role: 'developer', content: [{ type: 'input_text', text: 'D' }] },
      { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Hi' }] },
      {
        type: 'message',
        role: 'assistant',
        content: [
          { type: 'output_text', text: 'A', annotations: [] },
          { type: 'refusal', refusal: 'No' },
        ],
      },
    ])
  })

  it('responses-1: no foreign item ids are sent; call ids have at most 64 characters, the same each time', () => {
    const long = `toolu_vrtx_${'x'.repeat(80)}`
    const other = `${long.slice(0, -1)}y`
    const items = inputOf([turn(call(long), call(other)), result(long), result(other)]).map(
      (item) => item as { call_id: string; id?: string },
    )
    const ids = items.map((item) => item.call_id)
    expect(items.every((item) => item.id === undefined)).toBe(true)
    expect(ids.every((id) => id.length <= 64)).toBe(true)
    expect([ids[0], ids[1]]).toEqual([ids[2], ids[3]])
    expect(ids[0]).not.toBe(ids[1])
  })

  it('responses-2: a thought without what followed it is not sent', () => {
    const thought: AssistantPart = {
      type: 'reasoning',
      text: '',
      id: 'rs_1',
      opaque: { format: 'openai-responses', value: 'AA==', origin: 'here' },
    }
    expect(inputOf([turn(thought, { type: 'text', text: '' }), user])).toHaveLength(1)
    expect(inputOf([turn(thought, { type: 'text', text: 'A' }), user])).toMatchObject([
      { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'AA==' },
      { type: 'message' },
      { type: 'message' },
    ])
  })

  it('responses-2: every call has its output', () => {
    expect(inputOf([turn(call('a'), call('b')), result('b'), user])).toMatchObject([
      { type: 'function_call', call_id: 'a' },
      { type: 'function_call', call_id: 'b' },
      { type: 'function_call_output', call_id: 'a' },
      { type: 'function_call_output', call_id: 'b', output: 'ok' },
      { type: 'message', role: 'user' },
    ])
  })

  it('responses-2: a result without its call becomes something that may be read', () => {
    const { body, losses } = encode({ messages: [result('gone', 'found it'), user] })
    expect(body.input).toMatchObject([{ role: 'user', content: [{ text: 'found it' }] }, { role: 'user' }])
    expect(losses).toEqual(['messages[0].content'])
  })

  it.each<[string, AssistantPart, boolean]>([
    [
      'its own',
      { type: 'reasoning', text: 't', opaque: { format: 'openai-responses', value: 'v', origin: 'here' } },
      true,
    ],
    ['of unknown origin', { type: 'reasoning', text: 't', opaque: { format: 'openai-responses', value: 'v' } }, true],
    [
      "another channel's",
      { type: 'reasoning', text: 't', opaque: { format: 'openai-responses', value: 'v', origin: 'there' } },
      false,
    ],
    [
      "another format's",
      { type: 'reasoning', text: 't', opaque: { format: 'anthropic', value: 'v', origin: 'here' } },
      false,
    ],
    ['unsealed', { type: 'reasoning', text: 't' }, false],
  ])('model-4: thoughts go back to the channel that made them: %s', (_, part, sent) => {
    const messages = [turn(part, { type: 'text', text: 'A' })]
    const { body, losses } = encode({ messages }, 'here')
    expect(JSON.stringify(body.input).includes('"reasoning"')).toBe(sent)
    expect(losses).toEqual(sent ? [] : ['messages[0].reasoning'])
  })

  it('sends plain thoughts back to models that think in plain text', () => {
    const messages = [turn({ type: 'reasoning', text: 'hm' }, call('a')), result('a')]
    expect(inputOf(messages, { model: 'deepseek-v4-flash' })[0]).toEqual({
      type: 'reasoning',
      summary: [],
      content: [{ type: 'reasoning_text', text: 'hm' }],
    })
    expect(inputOf(messages, { model: 'openai/gpt-5' })[0]).toMatchObject({ type: 'function_call' })
  })

  it('responses-7: custom calls keep their text, and their outputs their kind', () => {
    const custom: AssistantPart = { type: 'tool-call', id: 'c', name: 'apply_patch', arguments: '*** {', custom: true }
    expect(inputOf([turn(custom), result('c')])).toEqual([
      { type: 'custom_tool_call', call_id: 'c', name: 'apply_patch', input: '*** {' },
      { type: 'custom_tool_call_output', call_id: 'c', output: 'ok' },
    ])
  })

  it('sends media as bytes, addresses and ids; what cannot be sent is a loss', () => {
    const content = [
      { type: 'media', mediaType: 'image/png', source: { kind: 'base64', data: 'AAAA' } },
      { type: 'media', mediaType: '', source: { kind: 'url', url: 'https://example.com/a' }, detail: 'low' },
      { type: 'media', mediaType: '', source: { kind: 'url', url: 'https://example.com/a.pdf?b' } },
      { type: 'media', mediaType: 'application/pdf', source: { kind: 'base64', data: 'BBBB' } },
      { type: 'media', mediaType: 'text/plain', source: { kind: 'base64', data: 'CCCC' }, filename: 'n.txt' },
      { type: 'media', mediaType: 'image/png', source: { kind: 'file', format: 'openai-responses', id: 'file_1' } },
      { type: 'media', mediaType: 'application/pdf', source: { kind: 'file', format: 'gemini', id: 'x' } },
      { type: 'media', mediaType: 'audio/wav', source: { kind: 'base64', data: 'DDDD' } },
    ] as const
    const { body, losses } = encode({ messages: [{ role: 'user', content }] })
    expect(body.input).toEqual([
      {
        type: 'message',
        role: 'user',
        content: [
          { type: 'input_image', image_url: 'data:image/png;base64,AAAA', detail: 'auto' },
          { type: 'input_image', image_url: 'https://example.com/a', detail: 'low' },
          { type: 'input_file', file_url: 'https://example.com/a.pdf?b' },
          { type: 'input_file', filename: 'file.pdf', file_data: 'data:application/pdf;base64,BBBB' },
          { type: 'input_file', filename: 'n.txt', file_data: 'data:text/plain;base64,CCCC' },
          { type: 'input_image', file_id: 'file_1', detail: 'auto' },
        ],
      },
    ])
    expect(losses).toEqual(['messages[0].content', 'messages[0].content'])
  })

  it('carries images in tool results', () => {
    const image = { type: 'media', mediaType: 'image/png', source: { kind: 'base64', data: 'AAAA' } } as const
    const messages: Message[] = [
      turn(call('a')),
      { role: 'tool', content: [{ type: 'tool-result', callId: 'a', content: [image] }] },
    ]
    expect(inputOf(messages)[1]).toMatchObject({ output: [{ type: 'input_image' }] })
  })
})

describe('tools', () => {
  const tool = { type: 'function', name: 'f', parameters: { type: 'object' } } as const

  it('says strict: false where the client did not ask for it: the API would demand every property', () => {
    expect(encode({ tools: [tool] }).body.tools).toEqual([
      { type: 'function', name: 'f', parameters: { type: 'object', properties: {} }, strict: false },
    ])
  })

  it('sends custom tools and own built-in tools as they are; others are losses', () => {
    const grammar = { type: 'grammar', syntax: 'lark', definition: 'x' }
    const { body, losses } = encode({
      tools: [
        { type: 'custom', name: 'p', description: 'd', grammar },
        { type: 'native', format: 'openai-responses', name: 'web_search', definition: { type: 'web_search' } },
        { type: 'native', format: 'anthropic', name: 'bash', definition: { type: 'bash_20250124' } },
      ],
    })
    expect(body.tools).toEqual([
      { type: 'custom', name: 'p', description: 'd', format: grammar },
      { type: 'web_search' },
    ])
    expect(losses).toEqual(['tools.bash'])
  })

  it.each<[ChatRequest['toolChoice'], unknown]>([
    ['auto', 'auto'],
    ['required', 'required'],
    [{ name: 'f' }, { type: 'function', name: 'f' }],
    [{ name: 'p' }, { type: 'custom', name: 'p' }],
  ])('tool_choice %j', (toolChoice, expected) => {
    const { body } = encode({
      tools: [tool, { type: 'custom', name: 'p' }],
      ...(toolChoice === undefined ? {} : { toolChoice }),
      sampling: { parallelToolCalls: false },
    })
    expect(body).toMatchObject({ tool_choice: expected, parallel_tool_calls: false })
  })

  it('fits names into what OpenAI takes, and finds them again in the answer', () => {
    const names = ['mcp.server/find', 'mcp_server_find', 'n'.repeat(80), 'n'.repeat(81)]
    const named = names.map((name) => ({ ...tool, name }))
    const history = turn({ type: 'tool-call', id: 'a', name: 'mcp.server/find', arguments: '{}' })
    const request = { tools: named, toolChoice: { name: 'mcp.server/find' }, messages: [history, result('a')] }
    const { body } = encode(request)
    const sent = (asArray(body.tools) ?? []).map((entry) => asString(asObject(entry)?.name) ?? '')
    expect(new Set(sent).size).toBe(4)
    expect(sent.every((name) => /^[A-Za-z0-9_-]{1,64}$/.test(name))).toBe(true)
    expect(sent[1]).toBe('mcp_server_find')
    expect(body.tool_choice).toMatchObject({ name: sent[0] })
    expect(body.input).toMatchObject([{ name: sent[0] }, { type: 'function_call_output' }])
    const output = sent.map((name, index) => ({ type: 'function_call', call_id: `c${index}`, name, arguments: '{}' }))
    const reply = codec.decodeResponse(
      { status: 'completed', output },
      { loss: () => undefined, request: { ...base, ...request } },
    )
    expect(reply.content.map((part) => (part.type === 'tool-call' ? part.name : ''))).toEqual(names)
  })

  it('speaks of no choice where there are no tools', () => {
    const { body } = encode({ toolChoice: 'auto', sampling: { parallelToolCalls: true } })
    expect(Object.keys(body).sort()).toEqual(['include', 'input', 'model', 'store'])
  })
})

describe('fields', () => {
  it('responses-3: sealed thoughts are asked for and nothing is stored', () => {
    expect(encode({ stream: true }).body).toMatchObject({
      stream: true,
      store: false,
      include: ['reasoning.encrypted_content'],
    })
    expect(encode({ model: 'gpt-4.1' }).body.include).toBeUndefined()
    expect(encode({ model: 'grok-4' }).body.include).toEqual(['reasoning.encrypted_content'])
  })

  it('responses-4: no stop, no top_k; what cannot be sent is a loss', () => {
    const { body, losses } = encode({
      model: 'gpt-4.1',
      sampling: {
        maxTokens: 100,
        temperature: 0.5,
        topP: 0.9,
        topK: 5,
        stop: ['x'],
        seed: 1,
        frequencyPenalty: 1,
        presencePenalty: 1,
        choices: 2,
        logprobs: true,
        topLogprobs: 2,
      },
    })
    expect(body).toEqual({
      model: 'gpt-4.1',
      input: [],
      store: false,
      include: ['message.output_text.logprobs'],
      max_output_tokens: 100,
      temperature: 0.5,
      top_p: 0.9,
      top_logprobs: 2,
    })
    expect(losses).toEqual(['stop', 'top_k', 'seed', 'frequency_penalty', 'presence_penalty', 'n'])
  })

  it('raises a limit below what the API takes', () => {
    expect(encode({ sampling: { maxTokens: 1 } })).toMatchObject({
      body: { max_output_tokens: 16 },
      losses: ['max_tokens'],
    })
  })

  it.each<[string, ChatRequest['reasoning'], unknown, number | undefined]>([
    ['gpt-5', { effort: 'high' }, { effort: 'high' }, undefined],
    ['gpt-5.2', { effort: 'none' }, { effort: 'none' }, 0.5],
    ['o4-mini', { summary: 'detailed', visible: true }, { summary: 'detailed' }, undefined],
    ['gpt-5', { budgetTokens: 2000 }, { effort: 'low', summary: 'auto' }, undefined],
    ['gpt-5', { budgetTokens: 32_000, visible: false }, { effort: 'high' }, undefined],
    ['gpt-5', { budgetTokens: 0 }, { effort: 'none' }, 0.5],
    ['gpt-5', { adaptive: true, effort: 'medium' }, { effort: 'medium', summary: 'auto' }, undefined],
    ['gpt-5', { adaptive: true, visible: false }, undefined, undefined],
    ['gpt-4o', { adaptive: true }, undefined, 0.5],
    ['my-model', { effort: 'low' }, { effort: 'low' }, 0.5],
  ])('%s, reasoning %j', (...row) => {
    const [model, reasoning, expected, temperature] = row
    const { body } = encode({
      model,
      ...(reasoning === undefined ? {} : { reasoning }),
      sampling: { temperature: 0.5 },
    })
    expect(body.reasoning).toEqual(expected)
    expect(body.temperature).toBe(temperature)
  })

  it('responses-4: structured output is text.format', () => {
    const schema = { type: 'object', properties: {} }
    expect(encode({ output: { type: 'json-schema', name: 'a b', schema, strict: true } }).body.text).toEqual({
      format: { type: 'json_schema', name: 'a_b', schema, strict: true },
    })
    expect(encode({ output: { type: 'json' }, messages: [user] }).body).toMatchObject({
      text: { format: { type: 'json_object' } },
      input: [{ role: 'user' }, { role: 'developer', content: 'Answer in JSON.' }],
    })
    const asked: Message = { role: 'user', content: [{ type: 'text', text: 'Give me json' }] }
    expect(encode({ output: { type: 'json' }, messages: [asked] }).body.input).toHaveLength(1)
  })

  it('keeps its own native fields and loses those of others', () => {
    const own = { truncation: 'auto', text: { verbosity: 'low' }, include: ['x.y'], reasoning: { context: 'all' } }
    expect(
      encode({ native: { format: 'openai-responses', fields: own }, output: { type: 'json' }, messages: [user] }).body,
    ).toMatchObject({
      truncation: 'auto',
      text: { verbosity: 'low', format: { type: 'json_object' } },
      include: ['reasoning.encrypted_content', 'x.y'],
      reasoning: { context: 'all' },
    })
    expect(encode({ native: { format: 'anthropic', fields: { context_management: {} } } }).losses).toEqual([
      'context_management',
    ])
  })

  it('shares what Chat calls by the same name', () => {
    const fields = { verbosity: 'low', safety_identifier: 's', store: true, logit_bias: { 5: 1 } }
    const { body, losses } = encode({ native: { format: 'openai-chat', fields } })
    expect(body).toMatchObject({ text: { verbosity: 'low' }, safety_identifier: 's', store: false })
    expect(losses).toEqual(['logit_bias'])
  })

  it('fits ids, keys, labels and tiers into their limits', () => {
    const { body, losses } = encode({
      metadata: { userId: 'u'.repeat(150), labels: { a: 'b', c: 'd'.repeat(600) } },
      cacheKey: 'k'.repeat(100),
      serviceTier: 'standard_only',
    })
    expect(body.user).toHaveLength(64)
    expect(body.prompt_cache_key).toHaveLength(64)
    expect(body.metadata).toEqual({ a: 'b' })
    expect(losses).toEqual(['metadata', 'service_tier'])
    expect(encode({ serviceTier: 'flex' }).body.service_tier).toBe('flex')
  })

  it('model-6: the same request gives the same bytes at every attempt', () => {
    const request: ChatRequest = { ...base, messages: [turn(call('a')), result('a'), user] }
    const first = JSON.stringify(codec.encodeRequest(request, { loss: () => undefined }))
    expect(JSON.stringify(codec.encodeRequest(request, { loss: () => undefined }))).toBe(first)
  })
})
